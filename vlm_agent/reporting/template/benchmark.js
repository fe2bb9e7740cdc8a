// Draws a benchmark's records: means, tasks and players.

// A rate with its interval between the random player's and the limit, which are marked.
function scaleOf(result, task) {
  const x = (share) => 4 + share * 192;
  const label = `${percent(result.success_rate)}, 95% interval ${percent(result.success_interval[0])} to ${percent(result.success_interval[1])}; random ${percent(task.random)}, limit ${percent(task.limit)}`;
  const mark = (share, name) => svg("line", { class: name, x1: x(share), x2: x(share), y1: 2, y2: 14 });
  return svg("svg", { class: "whisker", viewBox: "0 0 200 16", width: 200, height: 16, role: "img", "aria-label": label },
    svg("title", {}, label),
    svg("line", { class: "axis", x1: 4, x2: 196, y1: 8, y2: 8 }),
    mark(task.random, "random"), mark(task.limit, "limit"),
    svg("line", { class: "interval", x1: x(result.success_interval[0]), x2: x(result.success_interval[1]), y1: 8, y2: 8 }),
    svg("circle", { class: "share", cx: x(result.success_rate), cy: 8, r: 4 }));
}

function between(interval, write) {
  return interval ? `${write(interval[0])} – ${write(interval[1])}` : "";
}

function decimals(value) {
  return value === null ? "" : value.toFixed(2).replace(/^-(0\.00)$/, "$1").replace("-", "−");
}

function drawMeans(section, data) {
  if (data.quick) section.append(el("p", { class: "bad" }, "Quick runs, of a few episodes of each task: no results."));
  section.append(el("p", { class: "muted" }, data.about));
  const cells = (means) => means.success === null
    ? [el("span", { class: "muted" }, `${means.tasks} of ${means.of} tasks`), "", "", ""]
    : [el("b", {}, percent(means.success)), between(means.success_interval, percent),
      el("b", {}, decimals(means.normalised)), between(means.normalised_interval, decimals)];
  for (const [key, heading, note] of [
    ["in_distribution", "In distribution", "Mean over the games, each played as it may be trained on."],
    ["out_of_distribution", "Out of distribution", "Mean over variants that players are not trained on; each game counts once."],
  ]) {
    section.append(el("h3", {}, heading), el("p", { class: "muted" }, note),
      table(["Player", "Success", "95% interval", "Normalised", "95% interval"],
        data.players.map((one) => [visible(one.name), ...cells(one.summary[key])]), { class: "results" }));
  }
  section.append(el("p", { class: "muted" }, "Normalised: 0 is the random player, 1 the best possible one. A mean needs all of its tasks."));
}

function drawTasks(section, data, pictures) {
  section.append(el("p", { class: "muted" }, "Success with 95% Wilson intervals, on a scale from 0 to 100%. Grey marks: the random player; green marks: the limit, the best possible player over all episodes."));
  let game = null;
  data.tasks.forEach((task, index) => {
    if (task.game !== game) section.append(el("h3", {}, task.game));
    game = task.game;
    section.append(el("div", { class: "task" },
      el("figure", {}, el("img", { src: pictures[index], alt: `first picture of ${task.name}`, loading: "lazy" })),
      el("div", { class: "about" },
        el("p", {}, el("b", {}, task.name), task.new ? el("span", { class: "badge" }, task.new) : null),
        el("p", { class: "muted" }, el("code", {}, task.env)),
        table(["Player", "Success", "95% interval", "", "Normalised", "Return", "Length", "Illegal", "Perception"],
          task.results.map((one) => [
            visible(one.player) + (one.seen ? " *" : ""), el("b", {}, percent(one.success_rate)),
            between(one.success_interval, percent), scaleOf(one, task), decimals(one.normalised),
            shortNumber(one.mean_return), shortNumber(one.mean_length), percent(one.illegal_rate), percent(one.perception),
          ]), { class: "results" }),
        task.results.some((one) => one.seen) ? el("p", { class: "muted" }, "* Not new to this player, which was trained on it.") : null)));
  });
}

function drawPlayers(section, data) {
  for (const one of data.players) {
    section.append(el("h3", {}, visible(one.name)),
      el("dl", { class: "facts" }, Object.entries(one.facts).map(([name, value]) => [el("dt", {}, name), el("dd", {}, visible(String(value)))])));
  }
}

function start() {
  const data = read("data");
  drawHead(data);
  drawMeans(byId("means"), data);
  drawTasks(byId("tasks"), data, read("pictures"));
  drawPlayers(byId("players"), data);
}
