// @ts-check
const text = document.getElementById("report-data")?.textContent ?? "{}";
const main = document.getElementById("main");
if (main) {
  const list = document.createElement("pre");
  list.textContent = JSON.parse(text).runs.names.join("\n");
  main.replaceChildren(list);
}
