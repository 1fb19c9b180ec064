import type { Entry } from '../lib/store.ts';

/** Every name under which control keeps something in the store. */
export const tokenKey = (id: string): string => `token/${id}`;
export const claimKey = (node: string): string => `claim/${node}`;
/** One revocation, with all that it revoked. */
export const revocationKey = (act: string): string => `revocation/${act}`;
/** When the connections of one port, `NS/NAME:PORT`, were to be cut last. */
export const cutKey = (port: string): string => `cut/${port}`;
export const endpointKey = (node: string): string => `endpoint/${node}`;
/** Written to see whether the store takes writes. */
export const PROBE_KEY = 'probe';
/** What the wall clock said over the last hours of running. */
export const CLOCK_RECORD_KEY = 'clock';
export const LAST_GOOD_MESH_KEY = 'mesh/last-good';

export const encodeJson = (value: unknown): Uint8Array => Buffer.from(JSON.stringify(value), 'utf8');

/** What `encodeJson` wrote under a key of ours; nobody else writes there. */
export const decodeJson = <T>(entry: Entry | undefined): T | undefined =>
  entry === undefined ? undefined : (JSON.parse(textOf(entry.value)) as T);

const textOf = ({ buffer, byteOffset, byteLength }: Uint8Array): string =>
  Buffer.from(buffer, byteOffset, byteLength).toString('utf8');
