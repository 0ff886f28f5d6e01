// Reads the entry points from the app's package.json.
'use strict';

const fs = require('fs');
const path = require('path');

const TROUBLE = 'Worker failed to load package.json: ';

/** Returns `{main, type, warnings}`. `main` and `type` are undefined if they are missing or not strings. */
function readPackageJson(root) {
  const file = path.join(root, 'package.json');
  let text;
  try {
    text = fs.readFileSync(file, 'utf8').replace(/^\uFEFF/, '');
  } catch (error) {
    const reason = error.code === 'ENOENT' ? 'file does not exist' : error.message;
    return { warnings: [TROUBLE + reason] };
  }
  let content;
  try {
    content = JSON.parse(text);
  } catch (error) {
    return { warnings: [`${TROUBLE}file content is not valid JSON: ${file}: ${error.message}`] };
  }
  if (content === null || typeof content !== 'object' || Array.isArray(content)) {
    return { warnings: [`${TROUBLE}file content is not an object`] };
  }
  const result = { warnings: [] };
  for (const name of ['main', 'type']) {
    if (typeof content[name] === 'string') {
      result[name] = content[name];
    } else if (content[name] !== undefined) {
      result.warnings.push(`package.json: '${name}' is not a string, so it has no effect.`);
    }
  }
  return result;
}

module.exports = { readPackageJson };
