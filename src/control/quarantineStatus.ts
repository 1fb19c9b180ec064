import type { Emitted } from '../emit/emitted.ts';
import { showLocation } from '../lib/diagnostic.ts';
import { printable } from '../lib/printable.ts';
import { iso } from '../lib/time.ts';
import { type TypeName, typeNameOf } from '../xds/resource.ts';
import type { Withheld } from './quarantine.ts';
import type { Sidecar } from './sidecar.ts';

/** One resource that sidecars are kept from because some of them refused it. */
export type QuarantineStatus = {
  readonly service: string;
  readonly type: TypeName;
  readonly resource: string;
  readonly version: string;
  /** `file:line` */
  readonly source: string | null;
  readonly since: string;
  /** Nodes, the first one first. */
  readonly refusedBy: readonly string[];
  /** The first one's words. */
  readonly error: string;
  /** Other sidecars took it: it is kept only from those who refused it. */
  readonly takenByOthers: boolean;
  /** Connected sidecars that go on with the version from before. */
  readonly keeping: number;
  /** Connected sidecars for which no older version is known. They have what they had before, or nothing. */
  readonly without: number;
};

type Kept = {
  readonly sidecar: Sidecar;
  readonly emitted: readonly Emitted[];
  readonly withheld: readonly Withheld[];
};

/** What is in quarantine for those who are connected, one entry for each version of a resource. */
export const quarantineStatus = (connected: readonly Kept[]): readonly QuarantineStatus[] => {
  const found = new Map<string, QuarantineStatus>();
  for (const { sidecar, emitted, withheld } of connected) {
    for (const { refusal, instead } of withheld) {
      const { type: url, name, version } = refusal;
      const type = typeNameOf(url);
      if (type === undefined) continue;
      const key = `${sidecar.service} ${type} ${name} ${version}`;
      const known = found.get(key);
      const kept = { keeping: known?.keeping ?? 0, without: known?.without ?? 0 };
      kept[instead === undefined ? 'without' : 'keeping'] += 1;
      const source = emitted.find((e) => e.type === url && e.name === name)?.source;
      found.set(key, {
        service: sidecar.service,
        type,
        resource: name,
        version,
        source: source === undefined ? null : showLocation(source),
        since: iso(refusal.since),
        refusedBy: [...refusal.by],
        error: printable(refusal.error),
        takenByOthers: refusal.proven,
        ...kept,
      });
    }
  }
  return [...found.values()].sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
};

const keyOf = ({ service, type, resource, version }: QuarantineStatus): string =>
  `${service} ${type} ${resource} ${version}`;
