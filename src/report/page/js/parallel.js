/** Parallel coordinates: an axis for each chosen column, a line for each run that matches the filter. */

import { keepDrawn } from "./charts.js";
import { element, lazyDetails, scrollRegion, isolatedText } from "./dom.js";
import { formatCount, plural, shortText } from "./format.js";
import { prepareCanvas } from "./paths.js";
import { createColumnChoice, createPanel } from "./runs_tools.js";
import { axisScale, axisValue } from "./scales.js";
import { drawLine } from "./scatter.js";
import { fadedColor, seriesColor, themeColor } from "./series.js";

/** @typedef {import("./app.js").App} App */
/** @typedef {import("./address.js").ViewState} ViewState */
/** @typedef {import("./data.js").TableColumn} TableColumn */
/** @typedef {import("./scales.js").AxisScale} AxisScale */
/** @typedef {import("./series.js").SeriesStyle} SeriesStyle */
/** @typedef {import("./ticks.js").CompareItem} CompareItem */
/** @typedef {{ column: TableColumn, scale: AxisScale }} ParallelAxis */
/** @typedef {{ run: number, style: SeriesStyle | null }} ParallelLine */

const PARALLEL_HEIGHT = 320;
const TOP = 34;
const BOTTOM = 18;
const FIRST_AXES = 3;

/**
 * @param {App} app
 * @returns {{ element: HTMLElement, update: (state: ViewState, before: ViewState | null, items: CompareItem[]) => void }}
 */
export function createParallel(app) {
  const panel = createPanel("Axes", () => createColumnChoice(app, app.table.columns, (state) => axisIds(app, state), (axes) => app.store.update({ axes })), () => app.store.state);
  const chart = element("div", {});
  return {
    element: element("div", {}, element("div", { class: "row" }, panel.button), panel.panel, chart),
    update(state, before, items) {
      panel.update(state);
      if (before === null || JSON.stringify(parallelInputs(state)) !== JSON.stringify(parallelInputs(before))) {
        chart.replaceChildren(parallelFigure(app, state, items));
      }
    },
  };
}

/** @param {ViewState} state */
function parallelInputs({ axes, query, ranges, ticks, hidden }) {
  return { axes, query, ranges, ticks, hidden };
}

/**
 * @param {App} app
 * @param {ViewState} state
 * @returns {string[]}
 */
function axisIds(app, state) {
  if (state.axes !== null) {
    return state.axes;
  }
  const shown = app.table.columns.filter((column) => column.shown && column.kind !== "count");
  const first = (/** @type {string[]} */ ...groups) => shown.filter((column) => groups.includes(column.group)).slice(0, FIRST_AXES);
  return [...first("config"), ...first("figure", "metric")].map((column) => column.id);
}

/**
 * @param {App} app
 * @param {ViewState} state
 * @param {CompareItem[]} items
 */
function parallelFigure(app, state, items) {
  const ids = axisIds(app, state);
  const columns = ids.flatMap((id) => app.table.column(id) ?? []);
  if (columns.length < 2) {
    return element("p", { class: "empty" }, "Choose two axes or more.");
  }
  const runs = app.filter.matchingRuns(state);
  const axes = columns.map((column) => {
    const { keys } = column.sortOrder();
    return { column, scale: axisScale(column, runs.map((run) => axisValue(column, run)), (value) => column.text(keys.indexOf(value))) };
  });
  const styles = new Map(items.flatMap((item) => item.runs.map((run) => /** @type {[number, SeriesStyle | null]} */ ([run, item.style]))));
  const lines = runs.map((run) => ({ run, style: styles.get(run) ?? null }));
  lines.sort((a, b) => Number(a.style !== null) - Number(b.style !== null));
  const summary = `${plural(runs.length, "run")} over ${axes.length} axes: ${columns.map((column) => shortText(column.title, 30)).join(", ")}. A line has a gap at an axis for which its run has no value.`;
  const canvas = element("canvas", { class: "parallel", role: "img", "aria-label": `Parallel coordinates. ${summary}` });
  const inner = element("div", { class: "parallel-plot" }, canvas);
  keepDrawn(inner, () => drawParallel(canvas, Math.max(inner.clientWidth, axes.length * 90), axes, lines));
  return element("figure", { class: "chart" }, scrollRegion("Chart of parallel coordinates", inner), element("p", { class: "summary" }, summary), lazyDetails("Numbers of this chart", () => parallelTable(axes, runs)));
}

/**
 * @param {HTMLCanvasElement} canvas
 * @param {number} width
 * @param {ParallelAxis[]} axes
 * @param {ParallelLine[]} lines
 */
function drawParallel(canvas, width, axes, lines) {
  const context = prepareCanvas(canvas, width, PARALLEL_HEIGHT);
  if (context === null) {
    return;
  }
  const toX = (/** @type {number} */ at) => 60 + (at * (width - 120)) / (axes.length - 1);
  const toY = (/** @type {number} */ share) => PARALLEL_HEIGHT - BOTTOM - share * (PARALLEL_HEIGHT - TOP - BOTTOM);
  const opacity = lines.length > 2000 ? 0.06 : lines.length > 300 ? 0.2 : 0.45;
  const hasStyles = lines.some((line) => line.style !== null);
  const plain = fadedColor(themeColor(hasStyles ? "text-soft" : "series-0"), opacity);
  for (const line of lines) {
    context.strokeStyle = line.style ? seriesColor(line.style) : plain;
    context.lineWidth = line.style ? 2 : 1;
    context.setLineDash(line.style?.dash ?? []);
    drawRunLine(context, axes.map(({ column, scale }) => scale.place(axisValue(column, line.run))), toX, toY);
  }
  context.setLineDash([]);
  axes.forEach((axis, at) => drawAxis(context, axis, toX(at), toY, (width - 120) / (axes.length - 1)));
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {number[]} shares
 * @param {(at: number) => number} toX
 * @param {(share: number) => number} toY
 */
function drawRunLine(context, shares, toX, toY) {
  context.beginPath();
  let gap = true;
  shares.forEach((share, at) => {
    if (!Number.isFinite(share)) {
      gap = true;
      return;
    }
    context[gap ? "moveTo" : "lineTo"](toX(at), toY(share));
    gap = false;
  });
  context.stroke();
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {ParallelAxis} axis
 * @param {number} x
 * @param {(share: number) => number} toY
 * @param {number} room
 */
function drawAxis(context, { column, scale }, x, toY, room) {
  context.strokeStyle = themeColor("text-soft");
  context.lineWidth = 1;
  drawLine(context, Math.round(x) + 0.5, toY(0), Math.round(x) + 0.5, toY(1));
  context.textAlign = "left";
  context.textBaseline = "middle";
  for (const { at, label } of scale.ticks) {
    drawLine(context, x - 3, toY(at), x + 3, toY(at));
    // A halo keeps labels legible over lines.
    context.strokeStyle = fadedColor(themeColor("surface"), 0.85);
    context.lineWidth = 4;
    context.strokeText(label, x + 7, toY(at), room - 10);
    context.fillStyle = themeColor("text");
    context.fillText(label, x + 7, toY(at), room - 10);
    context.strokeStyle = themeColor("text-soft");
    context.lineWidth = 1;
  }
  context.fillStyle = themeColor("text");
  context.textAlign = "center";
  context.textBaseline = "bottom";
  context.fillText(shortText(column.title, 24), x, TOP - 12, Math.max(room - 8, 60));
}

/**
 * @param {ParallelAxis[]} axes
 * @param {number[]} runs
 */
function parallelTable(axes, runs) {
  const headings = ["Column", "Least", "Greatest", "Runs with a value"].map((title) => element("th", { scope: "col" }, title));
  const rows = axes.map(({ column, scale }) => {
    const values = runs.map((run) => axisValue(column, run)).filter(Number.isFinite);
    const ends = values.length === 0 ? ["–", "–"] : [values.reduce((a, b) => Math.min(a, b)), values.reduce((a, b) => Math.max(a, b))].map(scale.format);
    const cells = [...ends, formatCount(values.length)].map((text) => element("td", {}, isolatedText(text, 40)));
    return element("tr", {}, element("th", { scope: "row" }, isolatedText(column.heading(), 60)), ...cells);
  });
  const table = element("table", {}, element("thead", {}, element("tr", {}, ...headings)), element("tbody", {}, ...rows));
  return element("div", {}, element("p", { class: "soft" }, "The table of runs has each run’s values."), scrollRegion("Axes of the parallel coordinates", table));
}
