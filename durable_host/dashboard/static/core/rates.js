// The host's requests to storage per second, for the last two minutes. They are collected while any view is shown.
import { onChange } from './changes.js';

const KEPT = 120;
let rates = [];

export const requestRates = () => rates;

export function collectRates() {
  onChange((event, data) => {
    if (event === 'hub' && data?.storageRequests) {
      rates = [...rates.slice(1 - KEPT), data.storageRequests.perSecond];
    }
  });
}
