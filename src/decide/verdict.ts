import type { Location } from '../lib/diagnostic.ts';
import type { Port, ServiceKey } from '../model/mesh.ts';
import type { SpiffeId } from '../spiffe/spiffeId.ts';

/** Who calls, as far as the question says. */
export type Caller =
  | { readonly kind: 'service'; readonly key: ServiceKey }
  | { readonly kind: 'identity'; readonly id: SpiffeId }
  /** Nobody in particular: plaintext, without identity. */
  | { readonly kind: 'anyone' };

/** One call. What is `undefined` is not known, which is something else than empty. */
export type Call = {
  readonly from: Caller;
  /** Sent without TLS, whoever the caller is. */
  readonly plaintext: boolean;
  readonly to: ServiceKey;
  readonly port: Port;
  /** The path as it is sent: with its query, not normalised. */
  readonly request?: { readonly method?: string | undefined; readonly path?: string | undefined };
};

export type Verdict = {
  readonly allow: boolean;
  /** One sentence. */
  readonly reason: string;
  /** The line that decides. */
  readonly location?: Location;
  /** For a refusal that no line orders: the rule that came nearest, and what it lacks. */
  readonly nearestMiss?: { readonly location: Location; readonly reason: string };
  /** What the question leaves open and the verdict hangs on: `method`, `path`. It is a refusal then. */
  readonly dependsOn?: readonly string[];
  /** Something that stands beside the verdict, for example that the caller's sidecar does not know the name. */
  readonly note?: string;
};
