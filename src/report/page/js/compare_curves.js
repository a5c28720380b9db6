/** What is compared over steps and over space: one chart for each declared line, one panel of trajectories for each item. */

import { lineChart } from "./charts.js";
import { curveKinds, groupCurve, sampleCurve, survivalCurve } from "./curves.js";
import { element } from "./dom.js";
import { plural, shortText } from "./format.js";
import { commonSection, pathChart, pathPanel } from "./paths.js";

/** @typedef {import("./app.js").App} App */
/** @typedef {import("./charts.js").ChartSeries} ChartSeries */
/** @typedef {import("./curves.js").SampledCurve} SampledCurve */
/** @typedef {import("./series.js").SeriesStyle} SeriesStyle */
/** @typedef {import("./ticks.js").CompareItem & { style: SeriesStyle }} DrawnItem */

const RUN_BAND = "A run’s line is the median over its episodes, its band the quartiles.";
const GROUP_BAND = "A group’s line is, at each step, the median of its runs’ medians, its band the quartiles of these medians. Its lengths are those of all its runs’ episodes.";

/**
 * @param {App} app
 * @param {DrawnItem[]} items
 * @returns {HTMLElement[]}
 */
export function compareCurves(app, items) {
  const runs = items.flatMap((item) => item.runs);
  const kinds = curveKinds(runs.map((run) => app.report.details[run]));
  const charts = kinds.map(({ name, unit }) => {
    const series = items.flatMap((item) => itemSeries(item, curvesOf(app, item, name, unit)));
    return lineChart({ title: name, unit, series, note: lackingText(items, series) });
  });
  const lengths = items.flatMap((item) => itemSeries(item, lengthCurve(app, item)));
  if (lengths.length > 0) {
    const note = [lackingText(items, lengths), cutText(app, items)].filter(Boolean).join(" ");
    charts.push(lineChart({ title: "Lengths: episodes still running", unit: "share", series: lengths, note, stepped: true, range: [0, 1] }));
  }
  if (charts.length === 0) {
    return [element("p", { class: "empty" }, "None of these has data here to draw over steps.")];
  }
  return [element("p", { class: "soft key-line" }, bandText(items)), element("div", { class: "charts" }, ...charts)];
}

/**
 * @param {DrawnItem} item
 * @param {SampledCurve | null} curve
 * @returns {ChartSeries[]}
 */
function itemSeries(item, curve) {
  return curve === null ? [] : [{ label: item.label, style: item.style, curve }];
}

/**
 * @param {App} app
 * @param {DrawnItem} item
 * @param {string} name
 * @param {string | null} unit
 * @returns {SampledCurve | null}
 */
function curvesOf(app, item, name, unit) {
  const curves = item.runs.flatMap((run) => app.report.details[run].curves.filter((curve) => curve.name === name && curve.unit === unit)).map(sampleCurve);
  if (curves.length === 0) {
    return null;
  }
  return item.isGroup ? groupCurve(curves) : curves[0];
}

/**
 * @param {App} app
 * @param {DrawnItem} item
 * @returns {SampledCurve | null}
 */
function lengthCurve(app, item) {
  const lengths = item.runs.flatMap((run) => app.report.details[run].episodes?.steps ?? []);
  return lengths.length === 0 ? null : survivalCurve(lengths);
}

/** @param {DrawnItem[]} items */
function bandText(items) {
  return [items.some((item) => !item.isGroup) && RUN_BAND, items.some((item) => item.isGroup) && GROUP_BAND].filter(Boolean).join(" ");
}

/**
 * @param {DrawnItem[]} items
 * @param {ChartSeries[]} series
 */
function lackingText(items, series) {
  const lacking = items.filter((item) => !series.some(({ style }) => style === item.style)).map((item) => shortText(item.label, 40));
  return lacking.length === 0 ? "" : `Nothing to draw here for ${lacking.join(", ")}.`;
}

/**
 * @param {App} app
 * @param {DrawnItem[]} items
 */
function cutText(app, items) {
  const cut = items.flatMap((item) => item.runs).filter((run) => {
    const { episodes } = app.report.details[run];
    return episodes !== null && episodes.steps.length < episodes.of;
  }).length;
  return cut === 0 ? "" : `Of ${plural(cut, "run")} only the first episodes are in this report.`;
}

/**
 * @param {App} app
 * @param {DrawnItem[]} items
 * @returns {HTMLElement[]}
 */
export function comparePaths(app, items) {
  const panels = items.flatMap((item) => {
    const sources = item.runs.flatMap((run) => app.report.details[run].paths ?? []);
    const panel = pathPanel(item.label, item.style, sources);
    return panel === null ? [] : [panel];
  });
  const section = commonSection(panels);
  const lacking = items.filter((item) => !panels.some((panel) => panel.style === item.style));
  const note = lacking.length > 0 && element("p", { class: "soft" }, `No trajectories in this report: ${lacking.map((item) => shortText(item.label, 40)).join(", ")}.`);
  if (section === null) {
    return [element("p", { class: "empty" }, "None of these has trajectories in this report.")];
  }
  return [element("div", { class: "panels" }, ...panels.map((panel) => pathChart(panel, section, true))), ...(note ? [note] : [])];
}
