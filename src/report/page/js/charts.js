/** Line charts with bands, drawn by uPlot; beside each stand a sentence that sums it up and a table of its numbers. */

import { element, isolatedText, lazyDetails, scrollRegion } from "./dom.js";
import { commonSteps, onGrid } from "./curves.js";
import { formatFigure, plural, shortText, UNKNOWN } from "./format.js";
import { fadedColor, seriesColor, seriesSwatch, themeColor, traceMark } from "./series.js";

/** @typedef {import("./curves.js").SampledCurve} SampledCurve */
/** @typedef {import("./series.js").SeriesStyle} SeriesStyle */
/** @typedef {{ label: string, style: SeriesStyle, curve: SampledCurve }} ChartSeries */
/**
 * @typedef {object} ChartOptions
 * @property {string} title
 * @property {string | null} unit
 * @property {ChartSeries[]} series
 * @property {boolean} [stepped] values hold until the next step
 * @property {[number, number]} [range] of the vertical axis
 * @property {string} [note]
 * @property {boolean} [time] the horizontal axis has seconds since 1970
 */

const CHART_HEIGHT = 220;
const TABLE_ROWS = 60;

/**
 * Charts that are on the page, to be drawn again when its colours change.
 * @type {Set<() => void>}
 */
const liveCharts = new Set();

/** Draws the charts on the page again, in its present colours. */
export function redrawCharts() {
  liveCharts.forEach((draw) => draw());
}

/**
 * Calls `draw` when the holder gets its place on the page, when its width changes, and when the page's colours do; `release` when
 * it has left the page.
 * @param {HTMLElement} holder
 * @param {() => void} draw
 * @param {() => void} [release]
 */
export function keepDrawn(holder, draw, release) {
  let width = 0;
  const drawAgain = () => {
    if (holder.clientWidth > 0) {
      draw();
    }
  };
  const observer = new ResizeObserver(() => {
    if (!holder.isConnected) {
      observer.disconnect();
      liveCharts.delete(drawAgain);
      release?.();
    } else if (holder.clientWidth !== width) {
      width = holder.clientWidth;
      drawAgain();
    }
  });
  observer.observe(holder);
  liveCharts.add(drawAgain);
}

/**
 * @param {ChartOptions} options
 * @returns {HTMLElement}
 */
export function lineChart(options) {
  const grid = commonSteps(options.series.map(({ curve }) => curve));
  const series = options.series.map((one) => ({ ...one, curve: onGrid(one.curve, grid, options.stepped ?? false) }));
  const summary = chartSummary(options, grid);
  const plot = element("div", { class: "plot", role: "img", "aria-label": `${shortText(options.title, 80)}. ${summary}` });
  const readout = element("div", { class: "readout", "aria-hidden": "true" });
  const unit = options.unit === null ? null : element("span", { class: "unit" }, " ", isolatedText(options.unit, 30));
  const caption = element("figcaption", {}, element("span", { class: "chart-title" }, isolatedText(options.title, 80), unit), readout);
  /** @type {uPlot | null} */
  let chart = null;
  const release = () => chart?.destroy();
  const draw = () => {
    release();
    chart = new uPlot(plotOptions(options, series, plot.clientWidth, readout), plotData(grid, series), plot);
  };
  keepDrawn(plot, draw, release);
  return element(
    "figure",
    { class: "chart" },
    caption,
    plot,
    element("p", { class: "summary" }, series.length === 1 ? summary : shortSummary(options, grid)),
    lazyDetails("Numbers of this chart", () => chartTable(options, series, grid)),
  );
}

/**
 * @param {number[]} grid
 * @param {ChartSeries[]} series
 * @returns {uPlot.AlignedData}
 */
function plotData(grid, series) {
  const gaps = (/** @type {number[]} */ values) => values.map((value) => (Number.isNaN(value) ? null : value));
  return [grid, ...series.flatMap(({ curve }) => [gaps(curve.low), gaps(curve.high), gaps(curve.mid)])];
}

/**
 * @param {ChartOptions} options
 * @param {ChartSeries[]} series
 * @param {number} width
 * @param {HTMLElement} readout
 * @returns {uPlot.Options}
 */
function plotOptions(options, series, width, readout) {
  const text = themeColor("text-soft");
  const line = themeColor("hairline");
  const font = `11px ${getComputedStyle(document.body).fontFamily}`;
  const axis = { stroke: text, font, labelFont: font, grid: { stroke: line, width: 1 }, ticks: { stroke: line, width: 1, size: 4 } };
  const paths = options.stepped ? uPlot.paths.stepped?.({ align: 1 }) : uPlot.paths.linear?.();
  return {
    width,
    height: CHART_HEIGHT,
    legend: { show: false },
    cursor: { y: false, points: { size: 6 }, drag: { x: true, y: false } },
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC"),
    scales: { x: { time: options.time ?? false }, y: options.range ? { range: options.range } : {} },
    axes: [
      { ...axis, size: 30, gap: 4, space: options.time ? 100 : 50, values: (_, splits, _at, _space, gap) => splits.map((split) => (options.time ? dateLabel(split, gap) : Number.isInteger(split) ? String(split) : "")) },
      { ...axis, size: (_, values) => 14 + 6.2 * Math.max(2, ...(values ?? []).map((value) => String(value ?? "").length)), gap: 4, values: (_, splits) => axisLabels(splits) },
    ],
    series: [{}, ...series.flatMap((one) => bandAndLine(one, paths))],
    bands: series.map(({ style }, at) => ({ series: [3 * at + 2, 3 * at + 1], fill: fadedColor(seriesColor(style), 0.14) })),
    hooks: {
      drawSeries: [(plot, at) => (at > 0 && at % 3 === 0 && series.length > 1 ? drawMarks(plot, series[at / 3 - 1], at) : undefined)],
      setCursor: [(plot) => showReadout(readout, series, plot.cursor.idx ?? null, options)],
    },
  };
}

/**
 * @param {ChartSeries} series
 * @param {uPlot.Series.PathBuilder | undefined} paths
 * @returns {uPlot.Series[]}
 */
function bandAndLine({ style }, paths) {
  const edge = { stroke: "transparent", width: 0, points: { show: false }, paths };
  return [edge, edge, { stroke: seriesColor(style), width: 1.75, dash: style.dash, points: { show: false }, paths }];
}

/**
 * @param {number} seconds since 1970
 * @param {number} gap between labels, in seconds
 * @returns {string}
 */
function dateLabel(seconds, gap) {
  const text = new Date(seconds * 1000).toISOString();
  return gap >= 86400 ? text.slice(0, 10) : text.slice(5, 16).replace("T", " ");
}

/**
 * @param {number[]} splits
 * @returns {string[]}
 */
function axisLabels(splits) {
  const gap = splits.length > 1 ? Math.abs(splits[1] - splits[0]) : 1;
  const largest = Math.max(...splits.map(Math.abs));
  if (largest >= 1e6 || (largest > 0 && largest < 1e-3)) {
    return splits.map((split) => (split === 0 ? "0" : String(Number(split.toPrecision(3)).toExponential())));
  }
  const decimals = Math.min(Math.max(0, -Math.floor(Math.log10(gap) + 1e-9)), 8);
  return splits.map((split) => split.toFixed(decimals));
}

/**
 * @param {uPlot} plot
 * @param {ChartSeries} series
 * @param {number} at index of the line among uPlot's series
 */
function drawMarks(plot, { style }, at) {
  const { ctx: context, data } = plot;
  const ratio = uPlot.pxRatio;
  let next = plot.bbox.left + (style.index * 11 + 6) * ratio;
  context.save();
  context.fillStyle = seriesColor(style);
  context.strokeStyle = themeColor("surface");
  context.lineWidth = ratio;
  for (let point = 0; point < data[0].length; point += 1) {
    const value = data[at][point];
    const x = plot.valToPos(data[0][point], "x", true);
    if (value !== null && value !== undefined && x >= next && x <= plot.bbox.left + plot.bbox.width) {
      traceMark(context, style.mark, x, plot.valToPos(value, "y", true), 3.6 * ratio);
      context.fill();
      context.stroke();
      next = x + 90 * ratio;
    }
  }
  context.restore();
}

/**
 * @param {HTMLElement} readout
 * @param {ChartSeries[]} series
 * @param {number | null} at
 * @param {ChartOptions} options
 */
function showReadout(readout, series, at, options) {
  readout.replaceChildren();
  if (at === null || series.length === 0) {
    return;
  }
  readout.append(element("span", {}, acrossText(options, series[0].curve.steps[at])));
  for (const { style, curve } of series) {
    const value = curve.mid[at];
    readout.append(element("span", { class: "value" }, series.length > 1 ? seriesSwatch(style) : null, Number.isNaN(value) ? UNKNOWN : formatFigure(value)));
  }
}

/**
 * @param {ChartOptions} options
 * @param {number} x
 * @returns {string}
 */
function acrossText(options, x) {
  return options.time ? `${new Date(x * 1000).toISOString().slice(0, 16).replace("T", " ")} UTC` : `step ${x}`;
}

/**
 * @param {ChartOptions} options
 * @param {number[]} grid
 * @returns {string}
 */
function chartSummary(options, grid) {
  if (grid.length === 0) {
    return "There is nothing to draw.";
  }
  const ends = options.series.map(({ label, curve }) => {
    const finite = curve.mid.filter((value) => !Number.isNaN(value));
    const name = options.series.length === 1 ? "" : `${shortText(label, 40)}: `;
    return finite.length === 0 ? `${name}no finite number` : `${name}${formatFigure(finite[0])} to ${formatFigure(finite[finite.length - 1])}`;
  });
  return [`From ${acrossText(options, grid[0])} to ${acrossText(options, grid[grid.length - 1])}, ${ends.join("; ")}.`, options.note ?? ""].filter(Boolean).join(" ");
}

/**
 * What those who see the chart need in words.
 * @param {ChartOptions} options
 * @param {number[]} grid
 */
function shortSummary(options, grid) {
  const lines = grid.length === 0 ? "There is nothing to draw." : `${plural(options.series.length, "line")}, ${acrossText(options, grid[0])} to ${acrossText(options, grid[grid.length - 1])}.`;
  return [lines, options.note ?? ""].filter(Boolean).join(" ");
}

/**
 * @param {ChartOptions} options
 * @param {ChartSeries[]} series
 * @param {number[]} grid
 */
function chartTable(options, series, grid) {
  const every = Math.max(1, Math.ceil(grid.length / TABLE_ROWS));
  const withBand = series.some(({ curve }) => curve.low.some((value) => !Number.isNaN(value)));
  const cell = (/** @type {number} */ value) => element("td", { class: "number" }, Number.isNaN(value) ? UNKNOWN : formatFigure(value));
  const headings = series.flatMap(({ label }) => {
    const name = series.length === 1 ? "" : `${shortText(label, 40)} `;
    return (withBand ? ["lower quartile", "median", "upper quartile"] : ["value"]).map((what) => element("th", { scope: "col", class: "number" }, element("bdi", {}, name + what)));
  });
  const rows = grid
    .map((step, at) => ({ step, at }))
    .filter(({ at }) => at % every === 0 || at === grid.length - 1)
    .map(({ step, at }) => {
      const cells = series.flatMap(({ curve }) => (withBand ? [cell(curve.low[at]), cell(curve.mid[at]), cell(curve.high[at])] : [cell(curve.mid[at])]));
      return element("tr", {}, element("th", { scope: "row", class: "number" }, options.time ? acrossText(options, step) : String(step)), ...cells);
    });
  const head = element("thead", {}, element("tr", {}, element("th", { scope: "col", class: "number" }, options.time ? "time" : "step"), ...headings));
  const note = every > 1 ? element("p", { class: "soft" }, `One of every ${every} points of ${grid.length}.`) : null;
  return element("div", {}, note, scrollRegion(`Numbers of ${shortText(options.title, 60)}${options.unit === null ? "" : ` in ${shortText(options.unit, 30)}`}`, element("table", {}, head, element("tbody", {}, ...rows))));
}
