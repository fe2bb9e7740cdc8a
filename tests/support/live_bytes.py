"""Counts the bytes of tensors on the CPU that are alive, from what torch's allocator reports."""

from torch.profiler import ProfilerActivity, profile, record_function


class LiveBytes:
    """Counts inside its context; `mark` divides that into named phases.

    Bytes that were allocated before do not count.
    """

    def __enter__(self):
        self._profile = profile(activities=[ProfilerActivity.CPU], profile_memory=True)
        self._profile.__enter__()
        return self

    def mark(self, name):
        """Begins a phase."""
        with record_function(f"phase:{name}"):
            pass

    def __exit__(self, *error):
        self._profile.__exit__(*error)
        live, self.peak, self.end, phase = 0, {}, {}, ""
        events = sorted(
            self._profile.profiler.kineto_results.events(), key=lambda event: event.start_ns()
        )
        for event in events:
            if event.name().startswith("phase:"):
                phase = event.name().removeprefix("phase:")
            elif event.name() == "[memory]":
                live += event.nbytes()
            self.peak[phase] = max(self.peak.get(phase, live), live)
            self.end[phase] = live
