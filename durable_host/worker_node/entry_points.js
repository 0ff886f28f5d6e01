// Loads the app: the files that `main` in package.json names, one after the other.
'use strict';

const fs = require('fs');
const path = require('path');
const { pathToFileURL } = require('url');

const glob = require('./glob');
const { describe, isError, placeOf, placeOfSyntaxError, toError } = require('./errors');
const { readPackageJson } = require('./package_json');

const NPM_DEFAULT = 'index.js';
const LOOK_AGAIN_MILLISECONDS = 100;
const LARGEST_SOURCE = 4_000_000;

/**
 * Load the entry points of the app in `root`. `registry` collects what they register.
 *
 * If there are no files, it retries for `patience` seconds, because a compiler may be writing them.
 *
 * Resolves to `{warnings, matched, main, failure}`. `failure` describes the first file that does not load; it is
 * undefined if all files load.
 */
async function loadEntryPoints(root, registry, logs, patience = 0) {
  const { main, type, warnings } = readPackageJson(root);
  const result = { warnings, main, matched: 0, failure: undefined };
  if (main === undefined) {
    return result;
  }
  const files = await findFiles(main, root, patience);
  result.matched = files.length;
  if (files.length === 0) {
    result.failure = failure(main, new Error(nothingFound(main)), { kind: 'import' });
    return result;
  }
  if (files.some(hasSourceMap)) {
    process.setSourceMapsEnabled(true);
  }
  for (const file of files) {
    const shown = path.relative(root, file);
    registry.entryPoint = file;
    try {
      logs.report('debug', `Loading entry point file "${shown}"`);
      await load(file, type);
      logs.report('debug', `Loaded entry point file "${shown}"`);
    } catch (thrown) {
      result.failure = failure(shown, toError(thrown), { kind: 'import' }, file);
      return result;
    } finally {
      registry.entryPoint = undefined;
    }
  }
  return result;
}

async function findFiles(main, root, patience) {
  const deadline = Date.now() + patience * 1000;
  for (;;) {
    const files = main === '' ? [] : glob.expand(main, root);
    if (files.length > 0 || Date.now() >= deadline) {
      return files;
    }
    await new Promise((resolve) => {
      setTimeout(resolve, LOOK_AGAIN_MILLISECONDS);
    });
  }
}

function isModule(file, type) {
  return file.endsWith('.mjs') || (!file.endsWith('.cjs') && type === 'module');
}

async function load(file, type) {
  if (isModule(file, type)) {
    await import(pathToFileURL(file).href);
  } else {
    require(file);
  }
}

function nothingFound(main) {
  if (glob.hasMagic(main)) {
    return 'Found zero files matching the supplied pattern';
  }
  return `File does not exist${main === NPM_DEFAULT ? '. Learn more here: https://aka.ms/AAla7et' : ''}`;
}

function hasSourceMap(file) {
  if (fs.existsSync(`${file}.map`)) {
    return true;
  }
  const size = fs.statSync(file).size;
  return size < LARGEST_SOURCE && fs.readFileSync(file, 'latin1').includes('//# sourceMappingURL=');
}

/** Fields of a failure of the app as a whole. `file` is the entry point, if there is one. */
function failure(entryPoint, error, more, file) {
  const fields = describe(error);
  const place = file !== undefined && error.name === 'SyntaxError' ? placeOfSyntax(error, file) : placeOf(error);
  return {
    ...fields,
    ...more,
    ...(place === undefined ? {} : { file: place.file, line: place.line }),
    message: `Worker was unable to load entry point "${entryPoint}": ${fields.message}`,
    reason: fields.message,
    code: isError(error) && typeof error.code === 'string' ? error.code : undefined,
  };
}

function placeOfSyntax(error, file) {
  return placeOfSyntaxError(error) ?? placeOf(error) ?? require('./syntax_places').findSyntaxError(file);
}

module.exports = { loadEntryPoints };
