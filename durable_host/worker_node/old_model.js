// Detects functions of the programming model v3, which have a folder with function.json each. They do not run.
'use strict';

const fs = require('fs');
const path = require('path');

const NOT_SERVED =
  'it is of the Node.js programming model v3 (function.json), which this host does not run. Model v4 registers ' +
  'functions in code: https://aka.ms/azure-functions-node-v4-upgrade';

/** Create an error for each function of the old model in `root`. */
function oldFunctions(root) {
  const errors = [];
  for (const entry of fs.readdirSync(root, { withFileTypes: true })) {
    const file = path.join(root, entry.name, 'function.json');
    if (entry.isDirectory() && fs.existsSync(file)) {
      errors.push({
        function: entry.name,
        type: 'FunctionLoadError',
        message: NOT_SERVED,
        stack: '',
        bindings: bindingsOf(file),
      });
    }
  }
  return errors;
}

function bindingsOf(file) {
  try {
    const { bindings } = JSON.parse(fs.readFileSync(file, 'utf8').replace(/^\uFEFF/, ''));
    return bindings
      .filter((one) => typeof one.type === 'string' && typeof one.name === 'string')
      .map((one) => ({ ...one, direction: one.direction ?? 'in' }));
  } catch {
    return [];
  }
}

module.exports = { oldFunctions };
