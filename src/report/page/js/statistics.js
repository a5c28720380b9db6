/** Medians, quantiles, and the 95 % interval of a mean. */

/** @typedef {{ n: number, mean: number, half: number | null }} MeanInterval `half` is half of the interval's width; null under two values */

/**
 * Between the two nearest values, linearly, as NumPy does.
 * @param {ArrayLike<number>} sorted finite, ascending, not empty
 * @param {number} share 0 to 1
 * @returns {number}
 */
function quantileOf(sorted, share) {
  const at = (sorted.length - 1) * share;
  const below = Math.floor(at);
  const low = sorted[below];
  const high = sorted[Math.min(below + 1, sorted.length - 1)];
  return low + (high - low) * (at - below);
}

/**
 * The quartiles of what is finite; null if nothing is.
 * @param {number[]} values
 * @returns {[number, number, number] | null}
 */
export function quartilesOf(values) {
  const sorted = values.filter(Number.isFinite).sort((a, b) => a - b);
  return sorted.length === 0 ? null : [quantileOf(sorted, 0.25), quantileOf(sorted, 0.5), quantileOf(sorted, 0.75)];
}

/**
 * The mean of what is finite, and the 95 % interval of Student's t.
 * @param {number[]} values
 * @returns {MeanInterval}
 */
export function meanInterval(values) {
  const finite = values.filter(Number.isFinite);
  const n = finite.length;
  const mean = finite.reduce((sum, value) => sum + value, 0) / n;
  if (n < 2) {
    return { n, mean, half: null };
  }
  // Equal values have no spread, whatever their sum was rounded to.
  if (finite.every((value) => value === finite[0])) {
    return { n, mean: finite[0], half: 0 };
  }
  const variance = finite.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (n - 1);
  return { n, mean, half: studentQuantile(n - 1) * Math.sqrt(variance / n) };
}

/** @type {Map<number, number>} */
const studentQuantiles = new Map();

/**
 * The 97.5 % quantile of Student's t.
 * @param {number} freedom degrees of freedom, from 1
 * @returns {number}
 */
function studentQuantile(freedom) {
  const known = studentQuantiles.get(freedom);
  if (known !== undefined) {
    return known;
  }
  let low = 1.9;
  let high = 13;
  for (let step = 0; step < 60; step += 1) {
    const middle = (low + high) / 2;
    if (studentTails(middle, freedom) > 0.05) {
      low = middle;
    } else {
      high = middle;
    }
  }
  studentQuantiles.set(freedom, high);
  return high;
}

/**
 * The probability of a value farther from 0 than `t`, by the finite sums of Abramowitz and Stegun 26.7.3 and 26.7.4.
 * @param {number} t
 * @param {number} freedom
 * @returns {number}
 */
function studentTails(t, freedom) {
  const angle = Math.atan(t / Math.sqrt(freedom));
  const square = Math.cos(angle) ** 2;
  const even = freedom % 2 === 0;
  let term = even ? 1 : Math.cos(angle);
  let sum = freedom === 1 ? 0 : term;
  for (let at = even ? 2 : 3; at <= freedom - 2; at += 2) {
    term *= (square * (at - 1)) / at;
    sum += term;
  }
  return even ? 1 - Math.sin(angle) * sum : 1 - (2 / Math.PI) * (angle + Math.sin(angle) * sum);
}
