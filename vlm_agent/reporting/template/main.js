// Assembles the page.

function start() {
  const data = read("data");
  drawHead(data);
  drawSummary(byId("summary"), data);
  drawCurves(byId("curves"), data.groups);
  drawConfiguration(byId("configuration"), data.groups);
  new Viewer(byId("episodes"), data.episodes, data.prompts, read("pictures"));
}
