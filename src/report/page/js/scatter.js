/** A scatter of any column against any other, of the runs that match the filter or of the means of their groups. */

import { runLink } from "./app.js";
import { keepDrawn } from "./charts.js";
import { element, isolatedText, labelledCheckbox, labelledSelect, lazyDetails, scrollRegion } from "./dom.js";
import { plural, shortText } from "./format.js";
import { groupMean, groupedAs } from "./groups.js";
import { prepareCanvas } from "./paths.js";
import { GROUP_TITLES } from "./runs_tools.js";
import { axisScale, axisValue } from "./scales.js";
import { fadedColor, seriesColor, themeColor, traceMark } from "./series.js";

/** @typedef {import("./app.js").App} App */
/** @typedef {import("./address.js").ViewState} ViewState */
/** @typedef {import("./data.js").TableColumn} TableColumn */
/** @typedef {import("./scales.js").AxisScale} AxisScale */
/** @typedef {import("./series.js").SeriesStyle} SeriesStyle */
/** @typedef {import("./ticks.js").CompareItem} CompareItem */
/** @typedef {{ label: string, run: number | null, x: number, y: number, dx: number, dy: number, style: SeriesStyle | null }} ScatterPoint `dx`, `dy`: half of a mean's interval */
/** @typedef {{ x: TableColumn, y: TableColumn, points: ScatterPoint[], left: number }} ScatterData `left`: how many have no place */
/** @typedef {{ toX: (value: number) => number, toY: (value: number) => number, across: AxisScale, up: AxisScale }} ScatterPlaces */

const SCATTER_HEIGHT = 380;
const SCATTER_ROWS = 500;
const EDGES = { left: 70, right: 20, top: 16, bottom: 44 };

/**
 * @param {App} app
 * @returns {{ element: HTMLElement, update: (state: ViewState, before: ViewState | null, items: CompareItem[]) => void }}
 */
export function createScatter(app) {
  const controls = element("div", { class: "row" });
  const chart = element("div", {});
  const options = app.table.columns.map((column) => ({ value: column.id, title: column.heading(), group: GROUP_TITLES[column.group] }));
  return {
    element: element("div", {}, controls, chart),
    update(state, before, items) {
      const changed = before === null || JSON.stringify(scatterInputs(state)) !== JSON.stringify(scatterInputs(before));
      const [x, y] = scatterColumns(app, state);
      if (!changed || x === undefined || y === undefined) {
        return;
      }
      if (before === null) {
        controls.replaceChildren(
          labelledSelect("Across", options, x.id, (across) => app.store.update({ across })),
          labelledSelect("Up", options, y.id, (up) => app.store.update({ up })),
          labelledCheckbox("Means of groups by configuration", state.grouped, (grouped) => app.store.update({ grouped })),
        );
      }
      chart.replaceChildren(scatterFigure(app, state.grouped ? groupPoints(app, state, x, y, items) : runPoints(app, state, x, y, items), state.grouped));
    },
  };
}

/** @param {ViewState} state */
function scatterInputs({ across, up, grouped, query, ranges, ticks, hidden }) {
  return { across, up, grouped, query, ranges, ticks, hidden };
}

/**
 * @param {App} app
 * @param {ViewState} state
 * @returns {(TableColumn | undefined)[]}
 */
function scatterColumns(app, state) {
  const { columns } = app.table;
  const x = app.table.column(state.across) ?? columns.find((column) => column.group === "config" && column.numeric) ?? columns.find((column) => column.numeric) ?? columns[0];
  const y = app.table.column(state.up) ?? app.table.column("reward") ?? columns.find((column) => column.group === "figure" && column.numeric) ?? columns[0];
  return [x, y];
}

/**
 * @param {App} app
 * @param {ViewState} state
 * @param {TableColumn} x
 * @param {TableColumn} y
 * @param {CompareItem[]} items
 * @returns {ScatterData}
 */
function runPoints(app, state, x, y, items) {
  const styles = new Map(items.flatMap((item) => (item.style ? item.runs.map((run) => /** @type {[number, SeriesStyle]} */ ([run, /** @type {SeriesStyle} */ (item.style)])) : [])));
  const all = app.filter.matchingRuns(state).map((run) => ({ label: app.table.label(run), run, x: axisValue(x, run), y: axisValue(y, run), dx: 0, dy: 0, style: styles.get(run) ?? null }));
  return placedPoints(x, y, all);
}

/**
 * @param {App} app
 * @param {ViewState} state
 * @param {TableColumn} x
 * @param {TableColumn} y
 * @param {CompareItem[]} items
 * @returns {ScatterData}
 */
function groupPoints(app, state, x, y, items) {
  const styles = new Map(items.map((item) => [item.reference, item.style]));
  const all = app.groups.groupRuns(app.filter.matchingRuns(state)).groups.map((group) => {
    const [across, up] = [x, y].map((column) => {
      const mean = groupedAs(column) === "mean" ? groupMean(group, column) : { n: 1, mean: commonValue(column, group.runs), half: 0 };
      return { value: mean.n === 0 ? NaN : mean.mean, half: mean.half ?? 0 };
    });
    return { label: app.groups.labelOf(group), run: null, x: across.value, y: up.value, dx: across.half, dy: up.half, style: styles.get(group.reference) ?? null };
  });
  return placedPoints(x, y, all);
}

/**
 * @param {TableColumn} column
 * @param {number[]} runs
 * @returns {number} NaN if the runs differ
 */
function commonValue(column, runs) {
  const first = axisValue(column, runs[0]);
  return runs.every((run) => axisValue(column, run) === first) ? first : NaN;
}

/**
 * @param {TableColumn} x
 * @param {TableColumn} y
 * @param {ScatterPoint[]} all
 * @returns {ScatterData}
 */
function placedPoints(x, y, all) {
  const points = all.filter((point) => Number.isFinite(point.x) && Number.isFinite(point.y));
  // What is compared lies above the rest.
  points.sort((a, b) => Number(a.style !== null) - Number(b.style !== null));
  return { x, y, points, left: all.length - points.length };
}

/**
 * @param {TableColumn} column
 * @returns {(value: number) => string}
 */
function columnTexts(column) {
  const { keys } = column.sortOrder();
  return (value) => column.text(keys.indexOf(value));
}

/**
 * @param {App} app
 * @param {ScatterData} data
 * @param {boolean} grouped
 */
function scatterFigure(app, data, grouped) {
  const { x, y, points, left } = data;
  const noun = grouped ? "group" : "run";
  const lost = left === 0 ? "" : ` ${plural(left, noun)} without a value for both ${left === 1 ? "is" : "are"} not drawn.`;
  const bars = grouped ? " Bars are 95 % intervals of means." : "";
  const summary = `${plural(points.length, noun)}: ${shortText(x.heading(), 60)} across, ${shortText(y.heading(), 60)} up.${lost}${bars} What is compared has its colour and mark.`;
  const canvas = element("canvas", { class: "scatter", role: "img", "aria-label": `Scatter. ${summary}` });
  const tip = element("div", { class: "tip", "aria-hidden": "true" });
  tip.hidden = true;
  const holder = element("div", { class: "scatter-plot" }, canvas, tip);
  const across = axisScale(x, points.flatMap((point) => [point.x - point.dx, point.x + point.dx]), columnTexts(x));
  const up = axisScale(y, points.flatMap((point) => [point.y - point.dy, point.y + point.dy]), columnTexts(y));
  /** @type {ScatterPlaces | null} */
  let places = null;
  keepDrawn(holder, () => (places = drawScatter(canvas, holder.clientWidth, data, across, up)));
  holder.addEventListener("pointermove", (event) => showTip(tip, holder, places && nearestPoint(places, points, event, holder), places, data));
  holder.addEventListener("pointerleave", () => (tip.hidden = true));
  holder.addEventListener("click", (event) => {
    const run = places && nearestPoint(places, points, event, holder)?.run;
    if (run !== null && run !== undefined) {
      app.store.update({ view: "run", run: app.table.reference(run) }, true);
    }
  });
  const table = lazyDetails("Numbers of this chart", () => scatterTable(app, data, across, up));
  return element("figure", { class: "chart" }, holder, element("p", { class: "summary" }, summary), table);
}

/**
 * @param {HTMLCanvasElement} canvas
 * @param {number} width
 * @param {ScatterData} data
 * @param {AxisScale} across
 * @param {AxisScale} up
 * @returns {ScatterPlaces | null}
 */
function drawScatter(canvas, width, data, across, up) {
  const context = prepareCanvas(canvas, width, SCATTER_HEIGHT);
  if (context === null) {
    return null;
  }
  const toX = (/** @type {number} */ value) => EDGES.left + across.place(value) * (width - EDGES.left - EDGES.right);
  const toY = (/** @type {number} */ value) => SCATTER_HEIGHT - EDGES.bottom - up.place(value) * (SCATTER_HEIGHT - EDGES.top - EDGES.bottom);
  drawAxes(context, width, data, across, up);
  const plain = data.points.length > 2000 ? 0.25 : data.points.length > 300 ? 0.45 : 0.75;
  const gray = fadedColor(themeColor("text-soft"), plain);
  const hasStyles = data.points.some((point) => point.style !== null);
  for (const point of data.points) {
    const color = point.style ? seriesColor(point.style) : hasStyles ? gray : fadedColor(themeColor("series-0"), plain);
    const [left, top] = [toX(point.x), toY(point.y)];
    context.strokeStyle = color;
    context.lineWidth = 1;
    drawBars(context, point, toX, toY);
    context.fillStyle = color;
    traceMark(context, point.style?.mark ?? 0, left, top, point.style ? 5 : 3);
    context.fill();
  }
  return { toX, toY, across, up };
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {ScatterPoint} point
 * @param {(value: number) => number} toX
 * @param {(value: number) => number} toY
 */
function drawBars(context, { x, y, dx, dy }, toX, toY) {
  context.beginPath();
  if (dx > 0) {
    context.moveTo(toX(x - dx), toY(y));
    context.lineTo(toX(x + dx), toY(y));
  }
  if (dy > 0) {
    context.moveTo(toX(x), toY(y - dy));
    context.lineTo(toX(x), toY(y + dy));
  }
  context.stroke();
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {number} width
 * @param {ScatterData} data
 * @param {AxisScale} across
 * @param {AxisScale} up
 */
function drawAxes(context, width, { x, y }, across, up) {
  const bottom = SCATTER_HEIGHT - EDGES.bottom;
  context.strokeStyle = themeColor("hairline");
  context.fillStyle = themeColor("text-soft");
  context.lineWidth = 1;
  context.textAlign = "center";
  context.textBaseline = "top";
  for (const { at, label } of across.ticks) {
    const left = Math.round(EDGES.left + at * (width - EDGES.left - EDGES.right)) + 0.5;
    drawLine(context, left, EDGES.top, left, bottom);
    context.fillText(label, left, bottom + 6);
  }
  context.textAlign = "right";
  context.textBaseline = "middle";
  for (const { at, label } of up.ticks) {
    const top = Math.round(bottom - at * (bottom - EDGES.top)) + 0.5;
    drawLine(context, EDGES.left, top, width - EDGES.right, top);
    context.fillText(label, EDGES.left - 8, top, EDGES.left - 24);
  }
  context.fillStyle = themeColor("text");
  context.textAlign = "center";
  context.textBaseline = "bottom";
  context.fillText(shortText(x.heading(), 60), (EDGES.left + width - EDGES.right) / 2, SCATTER_HEIGHT - 4);
  context.save();
  context.translate(12, (EDGES.top + bottom) / 2);
  context.rotate(-Math.PI / 2);
  context.textBaseline = "middle";
  context.fillText(shortText(y.heading(), 50), 0, 0);
  context.restore();
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {number} x1
 * @param {number} y1
 * @param {number} x2
 * @param {number} y2
 */
export function drawLine(context, x1, y1, x2, y2) {
  context.beginPath();
  context.moveTo(x1, y1);
  context.lineTo(x2, y2);
  context.stroke();
}

/**
 * @param {ScatterPlaces} places
 * @param {ScatterPoint[]} points
 * @param {MouseEvent} event
 * @param {HTMLElement} holder
 * @returns {ScatterPoint | null}
 */
function nearestPoint({ toX, toY }, points, event, holder) {
  const box = holder.getBoundingClientRect();
  let best = 14 ** 2;
  let nearest = null;
  for (const point of points) {
    const distance = (toX(point.x) - event.clientX + box.left) ** 2 + (toY(point.y) - event.clientY + box.top) ** 2;
    if (distance <= best) {
      best = distance;
      nearest = point;
    }
  }
  return nearest;
}

/**
 * @param {HTMLElement} tip
 * @param {HTMLElement} holder
 * @param {ScatterPoint | null} point
 * @param {ScatterPlaces | null} places
 * @param {ScatterData} data
 */
function showTip(tip, holder, point, places, { x, y }) {
  tip.hidden = point === null;
  holder.classList.toggle("over-run", point?.run !== null && point?.run !== undefined);
  if (point === null || places === null) {
    return;
  }
  const line = (/** @type {TableColumn} */ column, /** @type {string} */ value) => element("div", {}, isolatedText(column.title, 40), " ", element("strong", {}, isolatedText(value, 40)));
  tip.replaceChildren(element("div", {}, isolatedText(point.label, 60)), line(x, places.across.format(point.x)), line(y, places.up.format(point.y)));
  const left = places.toX(point.x);
  tip.style.left = `${Math.max(0, Math.min(left + 12, holder.clientWidth - 260))}px`;
  tip.style.top = `${places.toY(point.y) + 12}px`;
}

/**
 * @param {App} app
 * @param {ScatterData} data
 * @param {AxisScale} across
 * @param {AxisScale} up
 */
function scatterTable(app, { x, y, points }, across, up) {
  const headings = [x, y].map((column) => element("th", { scope: "col", class: "number" }, isolatedText(column.heading(), 60)));
  const rows = points.slice(-SCATTER_ROWS).reverse().map((point) => {
    const name = point.run === null ? isolatedText(point.label, 80) : runLink(app, point.run);
    const cells = [across.format(point.x), up.format(point.y)].map((text) => element("td", { class: "number" }, isolatedText(text, 40)));
    return element("tr", {}, element("th", { scope: "row" }, name), ...cells);
  });
  const note = points.length > SCATTER_ROWS && element("p", { class: "soft" }, `${SCATTER_ROWS} of ${plural(points.length, "point")}; the table of runs has all.`);
  const head = element("thead", {}, element("tr", {}, element("th", { scope: "col" }, "Name"), ...headings));
  return element("div", {}, note, scrollRegion("Numbers of the scatter", element("table", {}, head, element("tbody", {}, ...rows))));
}
