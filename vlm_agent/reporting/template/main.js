// Assembles the page.

function read(id) {
  return JSON.parse(byId(id).textContent);
}

function themeSwitch(button) {
  const dark = () => (document.documentElement.dataset.theme
    || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
  const label = () => { button.textContent = dark() ? "Light" : "Dark"; };
  button.addEventListener("click", () => {
    document.documentElement.dataset.theme = dark() ? "light" : "dark";
    label();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", label);
  label();
}

function start() {
  const data = read("data");
  document.title = data.title;
  byId("brand").textContent = data.title;
  byId("title").textContent = data.title;
  byId("made").textContent = `Made ${data.made} by gym-cards ${data.version}`;
  for (const section of document.querySelectorAll("section")) {
    byId("nav").append(el("a", { href: `#${section.id}` }, section.querySelector("h2").textContent));
  }
  themeSwitch(byId("theme"));
  drawSummary(byId("summary"), data);
  drawCurves(byId("curves"), data.groups);
  drawConfiguration(byId("configuration"), data.groups);
  new Viewer(byId("episodes"), data.episodes, data.prompts, read("pictures"));
}
