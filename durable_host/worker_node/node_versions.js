// Warnings about Node.js versions whose support ends or that Azure does not offer.
'use strict';

const END_OF_LIFE = { 18: '2025-04', 20: '2026-04', 22: '2027-04', 24: '2028-04' };
const WARN_MONTHS_BEFORE = 6;

/** A warning for versions that should be replaced, undefined for others. `now` is a Date. */
function versionNote(version, now) {
  const major = parseInt(version, 10);
  const end = END_OF_LIFE[major];
  if (end === undefined) {
    const known = Object.keys(END_OF_LIFE).join(', ');
    return `Incompatible Node.js version v${version}. Azure Functions runs these versions: ${known}.`;
  }
  const [year, month] = end.split('-').map(Number);
  const ended = new Date(Date.UTC(year, month, 1));
  if (now >= ended) {
    return `Node.js v${major} reached EOL on ${end}. Please upgrade to a newer version.`;
  }
  const soon = new Date(Date.UTC(year, month - WARN_MONTHS_BEFORE, 1));
  return now >= soon ? `Node.js v${major} will reach EOL on ${end}. Please upgrade to a newer version.` : undefined;
}

module.exports = { versionNote };
