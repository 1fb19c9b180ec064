import { deserialize, serialize } from 'node:v8';
import type { LoadOutcome } from '../control/besideFiles.ts';
import type { Diagnostic } from '../lib/diagnostic.ts';
import { err, ok } from '../lib/result.ts';
import { newSlices } from '../lib/slices.ts';
import { deepFreeze, readOnlyMap } from '../model/frozen.ts';
import type { Mesh, Service } from '../model/mesh.ts';

/** A loaded mesh as bytes, in pieces that are each quick to read. */
export type PackedMesh = { readonly named: readonly string[] } & (
  | {
      readonly ok: true;
      readonly mesh: Omit<Mesh, 'services'>;
      readonly services: readonly Uint8Array[];
      readonly warnings: readonly Uint8Array[];
    }
  | { readonly ok: false; readonly diagnostics: readonly Uint8Array[] }
);

const PIECE = 64;

/** What a worker sends of what it loaded. */
export const packMesh = (loaded: LoadOutcome): PackedMesh => {
  const { named = [] } = loaded;
  if (!loaded.ok) return { ok: false, diagnostics: pack(loaded.error), named };
  const { services, ...mesh } = loaded.value.mesh;
  return { ok: true, mesh, services: pack([...services.values()]), warnings: pack(loaded.value.warnings), named };
};

/** The same value again, frozen; made in slices. */
export const unpackMesh = async (packed: PackedMesh): Promise<LoadOutcome> => {
  const { named } = packed;
  if (!packed.ok) return { ...err(await unpack<Diagnostic>(packed.diagnostics)), named };
  const services = await unpack<Service>(packed.services);
  const warnings = await unpack<Diagnostic>(packed.warnings);
  const mesh = { ...packed.mesh, services: readOnlyMap(services.map((service) => [service.key, service] as const)) };
  deepFreeze(mesh.certificates);
  deepFreeze(mesh.trust);
  deepFreeze(mesh.trustDomainAliases);
  return { ...ok(Object.freeze({ mesh: Object.freeze(mesh), warnings })), named };
};

const pack = (items: readonly unknown[]): readonly Uint8Array[] => {
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < items.length; at += PIECE) pieces.push(serialize(items.slice(at, at + PIECE)));
  return pieces;
};

const unpack = async <T>(pieces: readonly Uint8Array[]): Promise<readonly T[]> => {
  const { pause } = newSlices();
  const items: T[] = [];
  for (const piece of pieces) {
    await pause();
    items.push(...(deepFreeze(deserialize(piece)) as readonly T[]));
  }
  return Object.freeze(items);
};
