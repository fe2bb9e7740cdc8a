// Builds elements from nodes and text only: model output is never parsed as markup.

const SVG = "http://www.w3.org/2000/svg";

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  for (const child of children.flat(Infinity)) {
    if (child !== null && child !== undefined) node.append(child);
  }
  return node;
}

function el(name, attributes, ...children) {
  return fill(document.createElement(name), attributes, children);
}

function svg(name, attributes, ...children) {
  return fill(document.createElementNS(SVG, name), attributes, children);
}

function byId(id) {
  return document.getElementById(id);
}

// Eight colours for colour-blind readers (Okabe and Ito), and dash patterns.
function seriesStyle(index) {
  const dashes = ["", "7 3", "2 3", "9 3 2 3"];
  return { colour: `var(--series-${index % 6})`, dash: dashes[Math.floor(index / 6) % 4] };
}

function copyButton(text) {
  const button = el("button", { type: "button", class: "quiet copy" }, "Copy");
  button.addEventListener("click", () => {
    const area = el("textarea", { class: "offscreen", "aria-hidden": "true" });
    area.value = text;
    document.body.append(area);
    area.select();
    button.textContent = document.execCommand("copy") ? "Copied" : "Select and copy by hand";
    area.remove();
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  });
  return button;
}

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

// Title, origin and sections, which every page has.
function drawHead(data) {
  document.title = data.title;
  byId("brand").textContent = data.title;
  byId("title").textContent = data.title;
  byId("made").textContent = `Made ${data.made} by gym-cards ${data.version}`;
  for (const section of document.querySelectorAll("section")) {
    byId("nav").append(el("a", { href: `#${section.id}` }, section.querySelector("h2").textContent));
  }
  themeSwitch(byId("theme"));
}
