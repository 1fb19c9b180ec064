import type { Fault } from '../emit/emitProxy.ts';
import { type Snapshot, TYPE } from '../xds/resource.ts';
import type { Content } from './quarantine.ts';

/**
 * Adds what the sidecar had of the parts that cannot be emitted: they stay as they are, and so does what they may refer to (clusters,
 * endpoints, routes). Listeners of other parts go when they are gone: they open ports.
 */
export const withHeldBack = (
  content: readonly Content[],
  faults: readonly Fault[],
  before: Snapshot | undefined,
): readonly Content[] => {
  if (faults.length === 0 || before === undefined) return content;
  const there = new Set(content.map(({ type, name }) => `${type} ${name}`));
  const isHeld = (name: string): boolean => faults.some(({ isOf }) => isOf(name));
  const kept = [...before].flatMap(([type, resources]) => {
    if (type === TYPE.sds) return [];
    const own = [...resources.values()].filter(({ name }) => !there.has(`${type} ${name}`));
    return own.filter(({ name }) => type !== TYPE.lds || isHeld(name)).map((resource) => ({ ...resource, type }));
  });
  return [...content, ...kept];
};
