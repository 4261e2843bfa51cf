// Numbers and names as text, as notebook_explain/explanations/text.py formats them.

/**
 * "93 %", "8.4 %", "under 0.1 %". The space does not break: a line never begins with "%".
 * @param {number} share
 */
export function percent(share, digits = 0) {
  if (share > 0 && share < 0.001) return "under 0.1\u00a0%";
  const shown = Math.max(digits, share > 0 && share < 0.0995 ? 1 : 0);
  return `${(Math.floor(100 * share * 10 ** shown + 0.5) / 10 ** shown).toFixed(shown)}\u00a0%`;
}

/** The text with a capital first letter. @param {string} text */
export const capitalised = (text) => text[0].toUpperCase() + text.slice(1);

/** A threshold, which moves in whole percents. @param {number} share */
export const wholePercent = (share) => `${Math.round(100 * share)}\u00a0%`;

/** "1.13 s" @param {number} time */
export const seconds = (time) => `${time.toFixed(2)}\u00a0s`;

/** "1,024" @param {number} count */
export const grouped = (count) => count.toLocaleString("en-US");

/** "1 layer", "12 layers" @param {number} count @param {string} singular */
export const counted = (count, singular, plural = `${singular}s`) =>
  `${grouped(count)} ${count === 1 ? singular : plural}`;

/** "'wave'", or "'wave' rather than 'kick'" for a difference, of values "'EDV' minus 'ESV'". @param {string} name @param {string | null} [against] @param {boolean} [isValue] */
export const quoted = (name, against, isValue) =>
  `'${name}'${against ? ` ${isValue ? "minus" : "rather than"} '${against}'` : ""}`;

/** At most two significant digits: "0.17", "−1.2", "0". @param {number} value */
export function short(value, digits = 2) {
  const size = Math.abs(value);
  const text = size >= 10 ** digits ? size.toFixed(0) : String(Number(size.toPrecision(digits)));
  return value < 0 && Number(text) ? `−${text}` : text;
}
