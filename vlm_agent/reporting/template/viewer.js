// Episodes step by step: a list, and what the agent saw, wrote and played.

const REPLY_CHARACTERS = 20000;
const LISTED = 400;

class Viewer {
  constructor(section, episodes, prompts, pictures) {
    this.episodes = episodes;
    this.prompts = prompts;
    this.pictures = pictures;
    this.filter = { outcome: "all", policy: "", text: "" };
    this.shown = episodes;
    this.episode = 0;
    this.step = 0;
    this.list = el("ol", { class: "episodes", id: "list", "aria-label": "Episodes" });
    this.stage = el("div", { class: "stage", id: "stage", "aria-live": "polite" });
    this.count = el("p", { class: "muted", id: "count" });
    section.append(this.controls(), el("div", { class: "viewer" },
      el("div", { class: "side" }, this.count, this.list), this.stage));
    document.addEventListener("keydown", (event) => this.key(event));
    window.addEventListener("hashchange", () => this.fromHash());
    this.apply();
    this.fromHash();
  }

  controls() {
    const names = { all: "All", won: "Won", failed: "Failed", illegal: "Illegal", misread: "Misread" };
    const chips = Object.entries(names).map(([outcome, name]) => {
      const count = this.episodes.filter((e) => matches(e, { outcome, policy: "", text: "" })).length;
      return el("button", { type: "button", class: "chip", "data-outcome": outcome, onclick: () => {
        this.filter.outcome = outcome;
        this.apply();
      } }, name, el("span", { class: "muted" }, ` ${count}`));
    });
    this.chips = chips;
    const players = [...new Set(this.episodes.map(playerOf))];
    const select = el("select", { id: "policy", onchange: (event) => {
      this.filter.policy = event.target.value;
      this.apply();
    } }, el("option", { value: "" }, "all policies"), players.map((name) => el("option", { value: name }, visible(name))));
    const search = el("input", { type: "search", id: "search", placeholder: "text in replies", oninput: (event) => {
      this.filter.text = event.target.value;
      this.apply();
    } });
    const keys = [["← →", "step"], ["↑ ↓", "episode"], ["Home End", "first, last step"]];
    return el("div", {},
      el("div", { class: "row" }, el("div", { class: "legend", role: "group", "aria-label": "Outcome" }, chips),
        el("label", { class: "field" }, "Policy ", select), el("label", { class: "field" }, "Search ", search)),
      el("p", { class: "muted keys" }, keys.map(([key, does]) => [el("kbd", {}, key), ` ${does}   `])));
  }

  apply() {
    const now = this.shown[this.episode];
    this.shown = this.episodes.filter((episode) => matches(episode, this.filter));
    const kept = this.shown.indexOf(now);
    this.episode = Math.max(0, kept);
    if (kept < 0) this.step = 0;
    for (const chip of this.chips) {
      chip.setAttribute("aria-pressed", String(chip.dataset.outcome === this.filter.outcome));
    }
    this.count.textContent = `${this.shown.length} of ${this.episodes.length} episodes`;
    this.drawList();
    this.draw();
  }

  drawList() {
    // Only the part of the list around the selection, so that thousands of episodes stay fast.
    const from = Math.max(0, Math.min(this.episode - LISTED / 2, this.shown.length - LISTED));
    this.rows = this.shown.slice(from, from + LISTED).map((episode, offset) => {
      const index = from + offset;
      const button = el("button", { type: "button", class: "episode", "data-index": index, onclick: () => this.go(index, 0) },
        el("span", { class: episode.won ? "mark won" : "mark lost", "aria-hidden": "true" }, episode.won ? "✓" : "✗"),
        el("span", { class: "what" }, visible(episode.policy),
          el("small", { class: "muted" }, [visible(episode.env.split("/").pop()),
            episode.trained === null ? `#${episode.number}` : `after ${shortNumber(episode.trained)} steps`].join(" · "))),
        el("span", { class: "score" }, signed(episode.total),
          el("small", { class: "muted" }, `${episode.steps.length} step${episode.steps.length === 1 ? "" : "s"}`
            + (episode.illegal ? ` · ${episode.illegal} illegal` : ""))));
      button.setAttribute("aria-label", `${episode.won ? "won" : "failed"}: ${episode.policy}, return ${signed(episode.total)}`);
      return el("li", {}, button);
    });
    this.from = from;
    this.list.replaceChildren(...this.rows);
  }

  go(episode, step) {
    if (!this.shown.length) return;
    this.episode = Math.max(0, Math.min(this.shown.length - 1, episode));
    this.step = Math.max(0, Math.min(this.shown[this.episode].steps.length - 1, step));
    if (this.episode < this.from || this.episode >= this.from + this.rows.length) this.drawList();
    this.draw();
    const row = this.rows[this.episode - this.from];
    const above = row.offsetTop - this.list.offsetTop;
    if (above < this.list.scrollTop || above + row.offsetHeight > this.list.scrollTop + this.list.clientHeight) {
      this.list.scrollTop = above - this.list.clientHeight / 2;
    }
    const hash = `#episode=${this.episodes.indexOf(this.shown[this.episode])}&step=${this.step}`;
    try {
      history.replaceState(null, "", hash);
    } catch {
      // A page without a URL, such as one in a frame, cannot be linked to.
    }
  }

  fromHash() {
    const found = /^#episode=(\d+)&step=(\d+)$/.exec(location.hash);
    const index = found ? this.shown.indexOf(this.episodes[+found[1]]) : -1;
    if (index >= 0) {
      this.go(index, +found[2]);
      byId("episodes").scrollIntoView();
    }
  }

  key(event) {
    if (event.altKey || event.ctrlKey || event.metaKey || event.target.closest("input, select, textarea")) return;
    const length = this.shown.length ? this.shown[this.episode].steps.length : 0;
    const moves = {
      ArrowRight: [0, this.step + 1], ArrowLeft: [0, this.step - 1],
      ArrowDown: [1, 0], ArrowUp: [-1, 0], j: [1, 0], k: [-1, 0],
      Home: [0, 0], End: [0, length - 1],
    };
    // Until the viewer is visible, the same keys scroll the page.
    const box = this.stage.getBoundingClientRect();
    if (!moves[event.key] || box.top > innerHeight - 80 || box.bottom < 80) return;
    event.preventDefault();
    const [by, step] = moves[event.key];
    this.go(this.episode + by, step);
  }

  draw() {
    for (const row of this.list.querySelectorAll("button")) {
      const current = Number(row.dataset.index) === this.episode;
      if (current) row.setAttribute("aria-current", "true");
      else row.removeAttribute("aria-current");
    }
    const episode = this.shown[this.episode];
    if (!episode) {
      const words = this.episodes.length ? "No episode fits." : "No episodes were recorded.";
      this.stage.replaceChildren(el("p", { class: "muted empty" }, words));
      return;
    }
    const step = episode.steps[this.step];
    this.stage.replaceChildren(this.head(episode), this.strip(episode), el("div", { class: "step" },
      this.left(step), el("div", {}, this.reply(step), this.prompt(step))));
  }

  head(episode) {
    const facts = [visible(episode.env), episode.seed === null ? null : `seed ${episode.seed}`,
      Object.keys(episode.kwargs).length ? visible(JSON.stringify(episode.kwargs)) : null,
      episode.trained === null ? null : `after ${shortNumber(episode.trained)} steps of training`];
    return el("div", { class: "head" },
      el("div", {}, el("strong", {}, visible(episode.policy)), " ",
        el("span", { class: episode.won ? "badge won" : "badge lost" }, episode.won ? "won" : "failed"),
        episode.illegal ? el("span", { class: "badge" }, `${episode.illegal} illegal`) : null,
        el("div", { class: "muted" }, facts.filter(Boolean).join(" · "))),
      el("div", { class: "move" },
        el("button", { type: "button", id: "back", disabled: this.step === 0, onclick: () => this.go(this.episode, this.step - 1) }, "← Back"),
        el("span", { id: "place" }, `step ${this.step + 1} of ${episode.steps.length}`),
        el("button", { type: "button", id: "next", disabled: this.step + 1 >= episode.steps.length, onclick: () => this.go(this.episode, this.step + 1) }, "Next →")));
  }

  // One button per step: the action, and a bar for reward, value and advantage.
  strip(episode) {
    return el("div", { class: "strip" }, episode.steps.map((step, index) =>
      el("button", { type: "button", class: "tile", "aria-current": index === this.step ? "step" : null,
        title: `step ${index + 1}: ${visible(step.played)}`, onclick: () => this.go(this.episode, index) },
      this.picture(step.pictures[step.pictures.length - 1], ""),
      el("span", { class: step.parsed === null ? "illegal" : null }, visible(step.played)))));
  }

  picture(place, words) {
    if (place === null || place === undefined) return el("span", { class: "missing" }, "no picture");
    const picture = this.pictures[place];
    if (typeof picture === "string") return el("img", { src: picture, alt: words });
    const [width, height] = picture.size;
    const [x, y, across, down] = picture.box;
    return svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": words, "aria-hidden": words ? null : "true" },
      svg("image", { href: this.pictures[picture.on], width, height }),
      svg("image", { href: picture.url, x, y, width: across, height: down }));
  }

  left(step) {
    const earlier = step.pictures.slice(0, -1);
    const facts = [
      ["Played", step.parsed === null ? `${visible(step.played)} (at random: the reply names no action)` : visible(step.played), step.parsed === null ? "bad" : ""],
      ["Reward", signed(step.reward) + (step.penalty ? ` (and ${signed(-step.penalty)} for the illegal reply)` : ""), step.reward < 0 ? "bad" : step.reward > 0 ? "good" : ""],
      ["Value", shortNumber(step.value), ""],
      ["Advantage", signed(step.advantage), step.advantage < 0 ? "bad" : step.advantage > 0 ? "good" : ""],
    ];
    return el("div", { class: "left" },
      el("div", { class: "sight" }, this.picture(step.pictures[step.pictures.length - 1], "what the agent saw")),
      earlier.length ? el("div", { class: "earlier" }, el("small", { class: "muted" }, "remembered"), earlier.map((place) => this.picture(place, "an earlier step"))) : null,
      el("dl", { class: "facts" }, facts.map(([name, text, mood]) => [el("dt", {}, name), el("dd", { class: mood, "data-fact": name }, text)])),
      step.fields.length ? el("table", { class: "fields" },
        el("thead", {}, el("tr", {}, ["Field", "Shown", "Read"].map((name) => el("th", { scope: "col" }, name)))),
        el("tbody", {}, step.fields.map((field) => el("tr", {}, el("td", {}, visible(field.name)), el("td", {}, visible(field.value) || "–"),
          el("td", { class: field.right === true ? "good" : field.right === false ? "bad" : "muted" },
            field.told ? "given by the prompt" : field.read === null ? "–" : `${field.right ? "✓" : "✗"} ${visible(cut(field.read, 200))}`))))) : null);
  }

  reply(step) {
    const all = pieces(step);
    const text = el("div", { class: "reply", id: "reply" });
    const info = el("p", { class: "muted", id: "token" }, "");
    const draw = (list) => text.replaceChildren(...list.map((piece) => this.token(piece, info)));
    const few = firstPieces(all, REPLY_CHARACTERS);
    draw(few);
    const shorter = step.reply.length > REPLY_CHARACTERS || few.length < all.length;
    const more = shorter ? el("button", { type: "button", class: "quiet", onclick: (event) => {
      draw(all);
      event.target.remove();
    } }, `Show all ${grouped(step.reply.length)} characters`) : null;
    if (!step.reply) text.append(el("span", { class: "muted" }, "This player writes no reply."));
    return el("div", {}, el("h3", {}, "Reply"), text, more, step.logp ? tokenLegend() : null, info);
  }

  token(piece, info) {
    const shown = visible(piece.text);
    if (piece.index === null) return el("span", {}, shown);
    const part = piece.action ? "action" : "thought";
    const tell = () => {
      info.textContent = [part, `token ${piece.index + 1}`, piece.logp === null ? null : probabilityText(piece.logp)].filter(Boolean).join(" · ");
    };
    const level = piece.logp === null ? 0 : Math.round(surprise(piece.logp) * 100);
    return el("span", { class: `token ${part}`, style: `--surprise:${level}%`, onpointerenter: tell, onclick: tell,
      title: piece.logp === null ? null : probabilityText(piece.logp) }, shown || (piece.text === "" ? "" : " "));
  }

  prompt(step) {
    return el("details", { open: this.promptOpen, ontoggle: (event) => { this.promptOpen = event.target.open; } },
      el("summary", {}, "Prompt"), el("pre", { class: "prompt" }, visible(cut(this.prompts[step.prompt], REPLY_CHARACTERS))));
  }
}

function tokenLegend() {
  const ramp = (part) => el("span", { class: "ramp" }, `${part} `,
    [1, 0.5, 0.1, 0.03, 0.01].map((p) => el("span", { class: `token ${part}`, style: `--surprise:${Math.round(surprise(Math.log(p)) * 100)}%` },
      p === 1 ? "p = 1" : p === 0.01 ? "≤ 0.01" : String(p))));
  return el("p", { class: "token-legend", id: "token-legend" }, ramp("thought"), " ", ramp("action"));
}
