// Observes when the package sets up a context of durable code.
'use strict';

/** Call `seen(df)` each time the package sets `df` on the context. */
function watchDf(context, seen) {
  let df;
  Object.defineProperty(context, 'df', {
    configurable: true,
    enumerable: true,
    get: () => df,
    set: (value) => {
      df = value;
      seen(value);
    },
  });
}

module.exports = { watchDf };
