import { loadMesh } from '../src/config/loadMesh.ts';
import { median, round } from './measure.ts';
import { meshText } from './meshFile.ts';

export type Load = { readonly services: number; readonly kilobytes: number; readonly milliseconds: number };

/** Milliseconds to read, decode, check and build a mesh; the median of five, after two that warm up. */
export const measureLoad = (services: number): Load => {
  const bytes = Buffer.from(meshText(services));
  const spans = Array.from({ length: 7 }, () => {
    const from = performance.now();
    const loaded = loadMesh('mesh.yaml', bytes);
    if (!loaded.ok) throw new Error(loaded.error.map(({ message }) => message).join('\n'));
    return performance.now() - from;
  });
  return { services, kilobytes: Math.round(bytes.length / 1024), milliseconds: round(median(spans.slice(2)), 1) };
};
