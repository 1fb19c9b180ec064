import type { Registry } from 'prom-client';
import { newSlices } from '../lib/slices.ts';

/**
 * The text of `/metrics`, made metric by metric in slices of time: some look at every sidecar, and all of them in one turn of
 * the event loop would hold up the streams. One scrape after the other, for some metrics are told by one that is read before them.
 */
export const newScrape = (registry: Registry): (() => Promise<string>) => {
  const { pause } = newSlices();
  let last: Promise<unknown> = Promise.resolve();
  const scrape = async (): Promise<string> => {
    const parts: string[] = [];
    for (const { name } of registry.getMetricsAsArray()) {
      await pause();
      parts.push(await registry.getSingleMetricAsString(name));
    }
    return `${parts.join('\n\n')}\n`;
  };
  return () => {
    const text = last.then(scrape);
    last = text.catch(() => undefined);
    return text;
  };
};
