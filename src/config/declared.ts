import type { MtlsSpec } from '../features/mtls/spec.ts';
import type { ServiceSpec } from '../features/services/spec.ts';
import type { ServiceKey } from '../model/mesh.ts';
import type { PortForm, PortProblem } from './forms/port.ts';
import type { Place } from './places.ts';

export type DeclaredNamespace = {
  readonly name: string;
  /** The key `namespaces.NAME`, or the top-level `services`. */
  readonly place: Place;
  readonly mtls: MtlsSpec | undefined;
  readonly services: Map<string, DeclaredService>;
  /** Services by identity. */
  readonly identities: Map<string, DeclaredService[]>;
  /** Some service could not be read: a missing one is no finding. */
  readonly incomplete: boolean;
};

export type DeclaredService = {
  readonly key: ServiceKey;
  readonly namespace: string;
  readonly name: string;
  readonly identity: string;
  readonly spec: ServiceSpec;
  readonly place: Place;
  readonly ports: readonly DeclaredPort[];
  /** Some port could not be read: a missing one is no finding. */
  readonly portsUnread: boolean;
  /** Its identity could not be read, so it may be any. */
  readonly identityUnread: boolean;
};

export type DeclaredPort = {
  readonly place: Place;
  /** Its own name, or its protocol's; `undefined` where the form is wrong. */
  readonly name: string | undefined;
  /** The name is a key of a map. */
  readonly named: 'key' | 'name' | 'protocol';
  readonly form: PortForm | undefined;
  readonly problem: PortProblem | undefined;
};
