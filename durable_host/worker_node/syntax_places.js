// Locates a syntax error in an ES module. The error does not include the place, so Node.js has to check the files.
'use strict';

const { spawnSync } = require('child_process');
const fs = require('fs');
const path = require('path');
const { fileURLToPath } = require('url');

const MOST_FILES = 30;
const CHECK_MILLISECONDS = 5000;
const IMPORTS = /(?:\bfrom|\bimport)\s*\(?\s*['"](\.{1,2}\/[^'"]+)['"]/g;

/** `{file, line}` of the first error in `file` or in its imports from the app, or undefined if there is none. */
function findSyntaxError(file) {
  const files = [file];
  for (let at = 0; at < files.length && at < MOST_FILES; at += 1) {
    const line = lineOfError(files[at]);
    if (line !== undefined) {
      return { file: files[at], line };
    }
    files.push(...importsOf(files[at]).filter((one) => !files.includes(one)));
  }
  return undefined;
}

function lineOfError(file) {
  const { status, stderr } = spawnSync(process.execPath, ['--check', file], {
    encoding: 'utf8',
    stdio: ['ignore', 'ignore', 'pipe'],
    timeout: CHECK_MILLISECONDS,
  });
  const found = status === 0 || status === null ? null : /^(.+):(\d+)$/m.exec(stderr);
  if (found === null) {
    return undefined;
  }
  const named = found[1].startsWith('file://') ? fileURLToPath(found[1]) : found[1];
  return path.resolve(named) === path.resolve(file) ? Number(found[2]) : undefined;
}

function importsOf(file) {
  const text = fs.readFileSync(file, 'utf8');
  return [...text.matchAll(IMPORTS)]
    .map((found) => path.resolve(path.dirname(file), found[1]))
    .filter((one) => fs.statSync(one, { throwIfNoEntry: false })?.isFile());
}

module.exports = { findSyntaxError };
