"""Chat template of a model: the text of prompts, and how a reply to one is written and closed.

It is the processor's, or else the tokenizer's. Templates differ in whether the content of a message
is a list of parts or one text, in the token that ends a turn, and in what stands around a reply;
all of that is found by rendering a short conversation.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from jinja2 import TemplateError

Messages = Sequence[Mapping[str, Any]]

# A reply that no template writes by itself.
_REPLY = "Zq7 the reply 7qZ"
_QUESTION = "Zq3 the question 3qZ"
# A reply that stands for the one with a number.
_MARK = "Zq7 the reply number {} 7qZ"
# What a template raises for messages that it was not made for.
_REFUSALS = (TemplateError, TypeError, LookupError, ValueError)
# An opening tag at the end of a prompt, such as <think>.
_OPENED = re.compile(r"<\w+>\s*$")


class _Form(NamedTuple):
    """What was found out about a template.

    Attributes:
        takes_parts: Whether the content of a message is a list of parts, pictures among them.
        tail: What follows a reply at the end of a conversation; `None` if the template refuses
            replies, or leaves them out.
        end: The first token of the tail if it is one of the tokenizer's added ones, as text.
        continues: Whether a conversation begins with the prompt of its last reply.
    """

    takes_parts: bool
    tail: str | None
    end: str | None
    continues: bool = False


class _Turns(NamedTuple):
    """What stands between a question and its reply.

    Attributes:
        finished: In a conversation that goes on after the reply.
        asked: In the prompt that the reply answers.
    """

    finished: str
    asked: str


class ChatTemplate:
    """Renders conversations with the chat template of a processor or its tokenizer.

    Args:
        processor: The processor; its template may be replaced later.
    """

    def __init__(self, processor: Any) -> None:
        self._processor = processor
        self._forms: dict[str, _Form] = {}
        self._found_turns: dict[str, _Turns | str] = {}

    @property
    def text(self) -> str | None:
        """The template, the processor's before the tokenizer's; `None` without one."""
        for owner in (self._processor, self._processor.tokenizer):
            template = getattr(owner, "chat_template", None)
            if isinstance(template, Mapping):  # several by name
                template = template.get("default")
            if template is not None:
                return str(template)
        return None

    def conversation(self, messages: Messages, own: int) -> str:
        """Returns the text of a prompt that contains replies of the model itself, word for word.

        Templates write finished turns otherwise than the model wrote them: they leave out earlier
        reasoning, trim it, or drop the tag that a prompt opens. Here a prompt begins with the
        prompt of its last reply, followed by that reply, whatever the template does with replies.

        Args:
            messages: Messages, of which the last is the user's, as for `render`.
            own: Number of the model's own replies: every second message from the end, beginning
                with the last but one.

        Raises:
            ValueError: If the template leaves out replies or pictures of earlier turns, or writes
                them in changing ways; or if there is no template.
        """
        turns = self._turns
        if isinstance(turns, str):
            raise ValueError(
                f"the chat template of {type(self._processor).__name__} {turns}: show earlier "
                "steps with history='steps', or change the chat template"
            )
        places = range(len(messages) - 2 * own, len(messages) - 1, 2)
        marked = list(messages)
        for number, place in enumerate(places):
            content = [{"type": "text", "text": _MARK.format(number)}]
            marked[place] = {**marked[place], "content": content}
        rest = self.render(marked)
        written: list[str] = []
        for number, place in enumerate(places):
            before, found, rest = rest.partition(_MARK.format(number))
            if not found or not before.endswith(turns.finished):
                raise ValueError(
                    f"the chat template of {type(self._processor).__name__} does not write all "
                    "turns of a conversation alike, so that earlier replies cannot be put in "
                    "their places: show earlier steps with history='steps', or change the template"
                )
            reply = "".join(part["text"] for part in messages[place]["content"])
            before = before.removesuffix(turns.finished)
            written += [before, turns.asked, self._spelled(reply)]
        return "".join([*written, rest])

    @property
    def keeps_replies(self) -> bool:
        """True if the template itself writes earlier replies as `conversation` does, with thoughts.

        Templates that do not are overruled there, but not in a program that renders messages.
        """
        question: list[Mapping[str, Any]] = [{"type": "image"}, {"type": "text", "text": _QUESTION}]
        written = [{"type": "text", "text": f" <think>{_REPLY}</think>\n{_REPLY}\n"}]
        answer = {"role": "assistant", "content": written}
        messages = [*_asking(question), answer, *_asking(question)]
        return self.render(messages) == self.conversation(messages, own=1)

    @property
    def end_token(self) -> int | None:
        """Id of the token that ends a reply by the template; `None` if it writes none."""
        if self.text is None or (end := self._form.end) is None:
            return None
        return int(self._processor.tokenizer.convert_tokens_to_ids(end))

    def render(self, messages: Messages, *, prompt: bool = True) -> str:
        """Returns the text of a conversation.

        Args:
            messages: Messages whose content is a list of parts, texts and places of pictures.
            prompt: Whether a reply follows: adds what opens it.

        Raises:
            ValueError: If the template has no place for pictures, and the processor no token.
            jinja2.TemplateError: If the template refuses the messages.
        """
        return self._apply(messages, prompt, takes_parts=self._form.takes_parts)

    def completion(self, messages: Messages, reply: str) -> str:
        """Returns what a model has to write after a prompt in order to give a reply.

        It is the rest of the rendered conversation, without what ends the reply, where that begins
        with the prompt: a template may open a tag in the prompt that the reply has to close. It is
        the reply itself where the template writes a finished reply in another way, or leaves out a
        part of it, except for the tag that the prompt has opened already.

        Args:
            messages: The messages before the reply.
            reply: The reply.

        Raises:
            ValueError: If the template writes special tokens inside a reply.
        """
        if self.text is None or (tail := self._form.tail) is None:
            return reply
        if not self._form.continues and not reply.startswith("<"):
            return reply
        prompt = self.render(messages)
        answer = {"role": "assistant", "content": [{"type": "text", "text": reply}]}
        try:
            whole = self.render([*messages, answer], prompt=False)
        except _REFUSALS:
            whole = ""
        if whole.startswith(prompt) and whole.endswith(tail):
            rest = whole[len(prompt) : len(whole) - len(tail)]
            opened = _OPENED.search(prompt)
            if _squeeze(reply) in _squeeze((opened[0] if opened else "") + rest):
                self._check_writable(rest, reply)
                return rest
        return _without_opened(prompt, reply)

    # ----- private ----------------------------------------------------------------------------

    @property
    def _form(self) -> _Form:
        template = self.text or ""
        if template not in self._forms:
            self._forms[template] = self._found(self._takes_parts())
        return self._forms[template]

    @property
    def _turns(self) -> _Turns | str:
        """How replies stand in conversations, or why there are none."""
        template = self.text or ""
        if template not in self._found_turns:
            self._found_turns[template] = self._find_turns()
        return self._found_turns[template]

    def _find_turns(self) -> _Turns | str:
        if self.text is None:
            return "is missing, so that nothing separates the turns of a conversation"
        question: list[Mapping[str, Any]] = [{"type": "text", "text": _QUESTION}]
        shown: list[Mapping[str, Any]] = [{"type": "image"}, *question]
        turn = [*_asking(shown), _answer()]
        try:
            asked = self.render(_asking(shown))
            whole = self.render([*turn, *_asking(shown)])
            blind = self.render([*_asking(question), _answer(), *_asking(shown)])
        except _REFUSALS as error:
            return f"refuses conversations ({error})"
        earlier, reply, present = whole.partition(_REPLY)
        if not reply or _QUESTION not in earlier or _QUESTION not in present:
            return "leaves out earlier turns"
        if whole == blind:
            return "leaves out the pictures of earlier turns"
        before, _, finished = earlier.rpartition(_QUESTION)
        before_asked, _, opening = asked.rpartition(_QUESTION)
        if before != before_asked:
            return "writes the questions of earlier turns otherwise than the present one"
        return _Turns(finished, opening)

    def _spelled(self, reply: str) -> str:
        """Returns a reply in which names of special tokens are not read as those tokens.

        A model may spell the name of one, such as `<image>`, in ordinary letters.
        """
        own = vars(self._processor).items()
        names = {each for name, each in own if name.endswith("_token") and isinstance(each, str)}
        for name in sorted(filter(None, names | self._special_names()), key=len, reverse=True):
            reply = reply.replace(name, f"{name[:1]} {name[1:]}")
        return reply

    def _apply(self, messages: Messages, prompt: bool, *, takes_parts: bool) -> str:
        if not takes_parts:
            messages = [{**each, "content": self._joined(each["content"])} for each in messages]
        elif getattr(self._processor, "chat_template", None) is not None:
            return str(
                self._processor.apply_chat_template(
                    list(messages), add_generation_prompt=prompt, tokenize=False
                )
            )
        return str(
            self._processor.tokenizer.apply_chat_template(
                list(messages),
                chat_template=self.text,
                add_generation_prompt=prompt,
                tokenize=False,
            )
        )

    def _joined(self, content: Iterable[Mapping[str, Any]]) -> str:
        """Returns the text of a message, with a token in the place of each picture."""
        token = getattr(self._processor, "image_token", None)
        parts = []
        for part in content:
            text = token if part["type"] == "image" else part["text"]
            if text is None:
                raise ValueError(
                    "the chat template has no place for pictures, and "
                    f"{type(self._processor).__name__} has no image token: set a chat template "
                    "that writes the parts of a message"
                )
            parts.append(text)
        return "".join(parts)

    def _takes_parts(self) -> bool:
        """Finds out whether the template writes parts, or takes a message for one text."""
        text: list[Mapping[str, Any]] = [{"type": "text", "text": _QUESTION}]
        try:
            written = self._apply(_asking(text), True, takes_parts=True)
            shown = self._apply(_asking([{"type": "image"}, *text]), True, takes_parts=True)
        except _REFUSALS:
            return False
        # A list that is taken for a text is written with its quotes and keys.
        quoted = re.search(rf"""['"]text['"]\s*:\s*['"]{_QUESTION}""", written) is not None
        if _QUESTION not in written or quoted:
            return False
        drops_pictures = written == shown and getattr(self._processor, "image_token", None)
        return not drops_pictures

    def _found(self, takes_parts: bool) -> _Form:
        """Renders a short conversation, to find out how it ends."""
        question = _asking([{"type": "text", "text": _QUESTION}])
        try:
            unanswered, prompt, whole = (
                self._apply(messages, each, takes_parts=takes_parts)
                for messages, each in (
                    *((question, each) for each in (False, True)),
                    ([*question, _answer()], False),
                )
            )
        except _REFUSALS:
            return _Form(takes_parts, None, None)
        _, found, tail = whole.rpartition(_REPLY)
        if not found:
            return _Form(takes_parts, None, None)
        end = self._first_token(tail)
        if unanswered == prompt and end is not None:
            # This template always adds what opens the next reply, which must not be taken for what
            # closes one: that stands before the next question as well, and does not open it.
            more = self._apply([*question, _answer(), *question], True, takes_parts=takes_parts)
            opening = prompt.partition(_QUESTION)[0].rpartition(end)
            opens = opening[1] and self._first_token(opening[2]) is None
            if opens or end != self._first_token(more.partition(_REPLY)[2]):
                end = None
        return _Form(takes_parts, tail, end, whole.startswith(prompt))

    def _check_writable(self, rest: str, reply: str) -> None:
        special = self._special_names()
        if wrong := sorted(name for name in special if rest.count(name) > reply.count(name)):
            raise ValueError(
                f"the chat template writes {', '.join(wrong)} inside a reply, and a policy never "
                "writes special tokens: add them to the tokenizer as ordinary ones (special=False),"
                " or change the chat template"
            )

    def _special_names(self) -> set[str]:
        tokenizer = self._processor.tokenizer
        added = tokenizer.added_tokens_decoder.values()
        return {*tokenizer.all_special_tokens, *(str(each) for each in added if each.special)}

    def _first_token(self, text: str) -> str | None:
        """Returns the added token that a text begins with, apart from spaces."""
        tokenizer = self._processor.tokenizer
        names = {str(token) for token in tokenizer.added_tokens_decoder.values()}
        names.update(tokenizer.all_special_tokens)
        begins = [name for name in names if name and text.lstrip().startswith(name)]
        return max(begins, key=len, default=None)


def _asking(content: list[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [{"role": "user", "content": content}]


def _answer() -> Mapping[str, Any]:
    return {"role": "assistant", "content": [{"type": "text", "text": _REPLY}]}


def _squeeze(text: str) -> str:
    """Returns a text without white space, which templates trim and add."""
    return re.sub(r"\s", "", text)


def _without_opened(prompt: str, reply: str) -> str:
    """Returns a reply without the tag at its beginning that the prompt has opened already."""
    opened = _OPENED.search(prompt)
    if opened is None:
        return reply
    if reply.startswith(opened[0]):
        return reply[len(opened[0]) :]
    return reply.removeprefix(opened[0].strip())
