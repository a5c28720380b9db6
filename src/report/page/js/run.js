/** The view of one run. */

import { stateLink } from "./app.js";
import { actionButton, copyButton, element, expandableText, isolatedText, scrollRegion } from "./dom.js";
import { lineChart } from "./charts.js";
import { sampleCurve } from "./curves.js";
import { episodesTable } from "./episodes.js";
import { formatBytes, formatCount, formatTime, shortText } from "./format.js";
import { commonSection, pathChart, pathPanel } from "./paths.js";
import { seriesStyle } from "./series.js";

/** @typedef {import("./app.js").App} App */
/** @typedef {import("./app.js").View} View */
/** @typedef {import("./address.js").ViewState} ViewState */
/** @typedef {import("../report-data").RunDetail} RunDetail */

/**
 * @param {App} app
 * @returns {View}
 */
export function createRunView(app) {
  const holder = element("section", { "aria-labelledby": "run-heading" });
  let shown = "";
  return {
    element: holder,
    update(state, before) {
      if (state.run !== shown || before === null) {
        shown = state.run;
        const run = app.table.find(state.run);
        holder.replaceChildren(...(run < 0 ? unknownRun(app, state.run) : runSections(app, run)));
      }
      const tick = /** @type {HTMLButtonElement | null} */ (holder.querySelector("button[data-tick-run]"));
      if (tick) {
        const ticked = state.ticks.includes(state.run);
        tick.setAttribute("aria-pressed", String(ticked));
        tick.textContent = ticked ? "Ticked to compare" : "Tick to compare";
      }
    },
  };
}

/**
 * @param {App} app
 * @param {string} reference
 */
function unknownRun(app, reference) {
  const text = reference === "" ? "No run is named in the address." : "This report does not hold the run that the address names: ";
  return [
    element("h2", { id: "run-heading" }, "No such run"),
    element("p", {}, text, reference === "" ? null : isolatedText(reference, 200)),
    element("p", {}, stateLink(app, { view: "runs" }, "All runs")),
  ];
}

/**
 * @param {App} app
 * @param {number} run
 * @returns {HTMLElement[]}
 */
function runSections(app, run) {
  const detail = app.report.details[run];
  const facts = element("div", { class: "facts" }, provenanceSection(app, run, detail), commandsSection(app, run, detail), validationSection(detail));
  const missing = detail.missing && missingNotice(detail.missing);
  return [
    runHeader(app, run),
    ...(missing ? [missing] : []),
    element("div", { class: "run-layout" }, element("div", { class: "run-main" }, plotsSection(app, run, detail), episodesSection(detail), configurationSection(app, run, detail)), facts),
  ];
}

/**
 * @param {App} app
 * @param {number} run
 */
function runHeader(app, run) {
  const reference = app.table.reference(run);
  const tick = actionButton("Tick to compare", () => {
    const { ticks } = app.store.state;
    app.store.update({ ticks: ticks.includes(reference) ? ticks.filter((other) => other !== reference) : [...ticks, reference] });
  });
  tick.setAttribute("data-tick-run", "");
  const figures = app.table.columns.filter((column) => (column.group === "figure" || column.group === "metric") && column.raw(run) !== null);
  const list = element("dl", { class: "figures" });
  for (const column of figures) {
    const unit = column.unit === null ? null : element("span", { class: "unit" }, " ", isolatedText(column.unit, 20));
    list.append(element("div", {}, element("dt", {}, isolatedText(column.title, 40)), element("dd", {}, isolatedText(column.text(run), 40), unit)));
  }
  return element(
    "header",
    { class: "run-header" },
    element("p", { class: "crumb" }, stateLink(app, { view: "runs" }, "All runs")),
    element("h2", { id: "run-heading" }, expandableText(app.table.names[run])),
    element("p", { class: "row" }, tick),
    figures.length > 0 && list,
  );
}

/** @param {NonNullable<RunDetail["missing"]>} missing */
function missingNotice({ reason, command }) {
  const notice = element("div", { class: "notice" }, element("p", {}, element("strong", {}, "Nothing to draw. "), expandableText(reason)));
  if (command !== null) {
    notice.append(commandLine(command, "the command that fetches the data"));
  }
  return notice;
}

/**
 * @param {App} app
 * @param {number} run
 * @param {RunDetail} detail
 */
function plotsSection(app, run, detail) {
  const label = app.table.label(run);
  const charts = detail.curves.map((curve) =>
    lineChart({
      title: curve.name,
      unit: curve.unit,
      series: [{ label, style: seriesStyle(0), curve: sampleCurve(curve) }],
    }),
  );
  const panel = detail.paths && pathPanel(label, seriesStyle(0), [detail.paths]);
  const section = panel && commonSection([panel]);
  if (panel && section) {
    charts.push(pathChart(panel, section, false));
  }
  const key = detail.curves.length > 0 && element("p", { class: "soft key-line" }, "Lines are medians over episodes, bands reach from the lower to the upper quartile.");
  const none = element("p", { class: "empty" }, detail.missing ? "The run’s data is not here." : "The run has nothing to draw over steps.");
  return element("section", { "aria-labelledby": "plots-heading" }, element("h3", { id: "plots-heading" }, "Plots"), key, charts.length === 0 ? none : element("div", { class: "charts" }, ...charts));
}

/** @param {RunDetail} detail */
function episodesSection(detail) {
  const section = element("section", { "aria-labelledby": "episodes-heading" }, element("h3", { id: "episodes-heading" }, "Episodes"));
  section.append(detail.episodes === null || detail.episodes.of === 0 ? element("p", { class: "empty" }, "No episodes are known.") : episodesTable(detail.episodes));
  return section;
}

/**
 * @param {App} app
 * @param {number} run
 * @param {RunDetail} detail
 */
function configurationSection(app, run, detail) {
  /** @type {[string, string][]} */
  const columns = app.table.columns.filter((column) => column.group === "config").flatMap((column) => {
    const value = column.exact(run);
    return value === null ? [] : [[column.title, value]];
  });
  const own = [...columns, ...detail.config];
  const section = element("section", { "aria-labelledby": "configuration-heading" }, element("h3", { id: "configuration-heading" }, "Configuration"));
  section.append(
    ...configurationTable("Differs between the report’s runs", own),
    ...configurationTable("The same in all of the report’s runs", app.report.common_config),
  );
  if (own.length === 0 && app.report.common_config.length === 0) {
    section.append(element("p", { class: "empty" }, "No configuration is known."));
  }
  return section;
}

/**
 * @param {string} title
 * @param {[string, string][]} entries
 * @returns {HTMLElement[]}
 */
function configurationTable(title, entries) {
  if (entries.length === 0) {
    return [];
  }
  const rows = entries.map(([key, value]) => element("tr", {}, element("th", { scope: "row" }, expandableText(key)), element("td", { class: "json" }, expandableText(value))));
  const head = element("thead", { class: "visually-hidden" }, element("tr", {}, element("th", { scope: "col" }, "Key"), element("th", { scope: "col" }, "Value")));
  return [element("h4", {}, title), scrollRegion(title, element("table", { class: "pairs" }, head, element("tbody", {}, ...rows)))];
}

/** @param {RunDetail} detail */
function validationSection({ validation }) {
  const section = element("section", { "aria-labelledby": "validation-heading" }, element("h3", { id: "validation-heading" }, "Validation"));
  if (validation === null) {
    section.append(element("p", { class: "soft" }, "No validation report is known."));
    return section;
  }
  section.append(element("p", { class: validation.ok ? "verdict good" : "verdict bad" }, validation.ok ? "✓ Valid" : "✗ Not valid"));
  for (const [title, codes] of /** @type {[string, string[]][]} */ ([["Errors", validation.errors], ["Warnings", validation.warnings], ["Warnings that the settings ignore", validation.ignored]])) {
    if (codes.length > 0) {
      section.append(element("h4", {}, title), element("ul", { class: "codes" }, ...codes.map((code) => element("li", {}, element("code", {}, isolatedText(code, 100))))));
    }
  }
  return section;
}

/**
 * @param {App} app
 * @param {number} run
 * @param {RunDetail} detail
 */
function provenanceSection(app, run, detail) {
  const from = detail.provenance;
  const list = element("dl", { class: "pairs" });
  /** @param {string} title @param {string | null} text */
  const add = (title, text) => {
    if (text !== null) {
      list.append(element("dt", {}, title), element("dd", {}, expandableText(text)));
    }
  };
  const started = app.table.columns.find((column) => column.kind === "time")?.exact(run) ?? null;
  add("Started", started);
  const commit = from.commit === null ? undefined : app.report.commits[from.commit];
  if (commit === undefined) {
    list.append(element("dt", {}, "Commit"), element("dd", { class: "soft" }, from.version === null ? "not committed" : "before the history that this clone has"));
  } else {
    add("Commit", commit.id);
    list.append(element("dt", {}, "Committed"), element("dd", {}, isolatedText(commit.author, 100), `, ${formatTime(commit.time)} UTC`));
    add("Subject", commit.subject);
  }
  from.tags.forEach((tag) => add("Tag", tag));
  add("Data version", from.version);
  add("Simulator", [from.simulator, from.simulator_version].filter((part) => part !== null).join(" ") || null);
  add("Code version", from.code_version);
  add("Schema version", from.schema_version);
  add("Configuration hash", from.config_hash);
  add("Manifest, SHA-256", from.manifest);
  if (from.files !== null) {
    add("Files", `${formatCount(from.files)}${from.bytes === null ? "" : `, ${formatBytes(from.bytes)}`}`);
  }
  return element("section", { "aria-labelledby": "provenance-heading" }, element("h3", { id: "provenance-heading" }, "Provenance"), list);
}

/**
 * @param {string} command
 * @param {string} name
 */
function commandLine(command, name) {
  return element("div", { class: "command" }, element("code", {}, expandableText(command, false)), copyButton(command, name));
}

/**
 * @param {App} app
 * @param {number} run
 * @param {RunDetail} detail
 */
function commandsSection(app, run, { quoted, provenance }) {
  // A name that begins with a dash would be read as an option.
  const name = app.table.names[run].startsWith("-") ? `-- ${quoted}` : quoted;
  const commit = provenance.commit === null ? undefined : app.report.commits[provenance.commit];
  const section = element("section", { "aria-labelledby": "commands-heading" }, element("h3", { id: "commands-heading" }, "Commands"));
  if (provenance.commit === null && provenance.version === null) {
    section.append(element("p", { class: "soft" }, "The run is not committed: only a clone that recorded it has it."));
  }
  const rev = commit === undefined ? "" : ` --rev ${commit.id.slice(0, 12)}`;
  const commands = [
    ["Get a copy", `capture-hook get${rev} ${name}`],
    ["Verify its bytes", `capture-hook verify${rev} ${name}`],
    ["Export it", `capture-hook export${rev} ${name}`],
    ["Show it in the terminal", `capture-hook show ${name}`],
  ];
  for (const [title, command] of commands) {
    section.append(element("h4", {}, title), commandLine(command, `the command: ${title}`));
  }
  return section;
}

/**
 * The sentence of a tab's title.
 * @param {App} app
 * @param {ViewState} state
 */
export function runTitle(app, state) {
  const run = app.table.find(state.run);
  return run < 0 ? "No such run" : shortText(app.table.names[run], 60);
}

