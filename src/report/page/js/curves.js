/** Curves on one grid of steps, so that they can be drawn together and summarized over runs. */

import { toNumber } from "./format.js";
import { quartilesOf } from "./statistics.js";

/** @typedef {import("../report-data").Curve} Curve */
/** @typedef {import("../report-data").RunDetail} RunDetail */
/** @typedef {{ name: string, unit: string | null, steps: number[], low: number[], mid: number[], high: number[] }} SampledCurve NaN is a gap */

const MOST_STEPS = 600;

/**
 * @param {Curve} curve
 * @returns {SampledCurve}
 */
export function sampleCurve(curve) {
  const count = curve.mid.length;
  const steps = curve.mid.map((_, at) => (at === count - 1 ? curve.last : curve.first + at * curve.stride));
  // Without quartiles there is no band: all of it is a gap.
  const [low, mid, high] = [curve.low, curve.mid, curve.high].map((values) => (values.length === count ? values.map(toNumber) : Array.from({ length: count }, () => NaN)));
  return { name: curve.name, unit: curve.unit, steps, low, mid, high };
}

/**
 * The steps of all the curves, evenly thinned if they are too many to draw.
 * @param {SampledCurve[]} curves
 * @returns {number[]}
 */
export function commonSteps(curves) {
  const all = [...new Set(curves.flatMap((curve) => curve.steps))].sort((a, b) => a - b);
  if (all.length <= MOST_STEPS) {
    return all;
  }
  return Array.from({ length: MOST_STEPS }, (_, at) => all[Math.round((at * (all.length - 1)) / (MOST_STEPS - 1))]);
}

/**
 * The curve's values at these steps, linear between its samples, or held until the next one; NaN beyond its ends and beside gaps.
 * @param {number[]} steps
 * @param {number[]} values
 * @param {number[]} grid ascending
 * @param {boolean} held
 * @returns {number[]}
 */
function valuesAt(steps, values, grid, held) {
  let at = 0;
  return grid.map((step) => {
    while (at < steps.length - 1 && steps[at + 1] <= step) {
      at += 1;
    }
    if (steps[at] === step) {
      return finiteOrGap(values[at]);
    }
    if (at >= steps.length - 1 || step < steps[at]) {
      return NaN;
    }
    const share = held ? 0 : (step - steps[at]) / (steps[at + 1] - steps[at]);
    return finiteOrGap(values[at] + (values[at + 1] - values[at]) * share);
  });
}

/** @param {number} value */
function finiteOrGap(value) {
  return Number.isFinite(value) ? value : NaN;
}

/**
 * @param {SampledCurve} curve
 * @param {number[]} grid
 * @param {boolean} held
 * @returns {SampledCurve}
 */
export function onGrid(curve, grid, held) {
  const [low, mid, high] = [curve.low, curve.mid, curve.high].map((values) => valuesAt(curve.steps, values, grid, held));
  return { ...curve, steps: grid, low, mid, high };
}

/**
 * The curve of a group: at each step, the median and the quartiles of its runs' medians.
 * @param {SampledCurve[]} curves
 * @returns {SampledCurve}
 */
export function groupCurve(curves) {
  const grid = commonSteps(curves);
  const rows = curves.map((curve) => valuesAt(curve.steps, curve.mid, grid, false));
  const quartiles = grid.map((_, at) => quartilesOf(rows.map((row) => row[at])) ?? [NaN, NaN, NaN]);
  const [low, mid, high] = [0, 1, 2].map((which) => quartiles.map((three) => three[which]));
  return { name: curves[0].name, unit: curves[0].unit, steps: grid, low, mid, high };
}

/**
 * The share of episodes that still run at each step.
 * @param {number[]} lengths in steps
 * @returns {SampledCurve}
 */
export function survivalCurve(lengths) {
  const sorted = lengths.filter((length) => length >= 0).sort((a, b) => a - b);
  const steps = [...new Set([0, ...sorted])].sort((a, b) => a - b);
  let at = 0;
  const mid = steps.map((step) => {
    while (at < sorted.length && sorted[at] <= step) {
      at += 1;
    }
    return 1 - at / sorted.length;
  });
  return { name: "Episodes still running", unit: null, steps, low: mid.map(() => NaN), mid, high: mid.map(() => NaN) };
}

/**
 * The different names and units of the curves of these runs, in the order in which they first come.
 * @param {RunDetail[]} details
 * @returns {{ name: string, unit: string | null }[]}
 */
export function curveKinds(details) {
  /** @type {Map<string, { name: string, unit: string | null }>} */
  const kinds = new Map();
  for (const { name, unit } of details.flatMap((detail) => detail.curves)) {
    kinds.set(JSON.stringify([name, unit]), { name, unit });
  }
  return [...kinds.values()];
}
