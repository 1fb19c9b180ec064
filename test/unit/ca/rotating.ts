import assert from 'node:assert/strict';
import type { MeshAuthority } from '../../../src/ca/authority.ts';
import type { RotationKind } from '../../../src/ca/rotation.ts';
import type { Store } from '../../../src/lib/store.ts';
import { DAY, freshMesh, NOW, WEB } from './support.ts';

export const textOf = (store: Store, key: string): string => Buffer.from(store.get(key)?.value ?? []).toString();
export const states = (mesh: MeshAuthority, kind: 'root' | 'intermediate'): readonly string[] =>
  mesh.describe().slots.flatMap((slot) => (slot.kind === kind ? [slot.state] : []));
export const bundle = (mesh: MeshAuthority): string => mesh.trustBundle().authorities.join('');
export const step = async (mesh: MeshAuthority, now: number): Promise<void> => {
  const plan = mesh.rotation.plan();
  assert.ok(plan);
  await mesh.rotation.advance({ id: plan.id, step: plan.step }, now);
};
export const started = async (kind: RotationKind) => {
  const made = await freshMesh();
  const before = { ...made.mesh.describe(), leaf: made.mesh.issue(WEB, DAY, NOW), bundle: bundle(made.mesh) };
  await made.mesh.rotation.start(kind, 'a test', NOW + 1000);
  return { ...made, before };
};
export const refusal = (message: RegExp) => ({ name: 'AppError', code: 'rotation_refused', message });
