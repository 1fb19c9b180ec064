import type { Location } from '../lib/diagnostic.ts';
import type { Instant } from '../lib/time.ts';
import type { SpiffeId, TrustDomain } from '../spiffe/spiffeId.ts';

/** One allow or deny rule as it applies to one service: its ports are that service's numbers. */
export type Rule = {
  readonly action: 'allow' | 'deny';
  readonly name: string | undefined;
  /** ORed. A deny without `from` holds one `anyone`. Never empty. */
  readonly from: readonly Source[];
  /** ORed; one `{}` is any call. Never empty, unless no port of this service is meant. */
  readonly to: readonly Operation[];
  readonly until: Instant | undefined;
  readonly location: Location;
};

/** Who calls. Fields are ANDed, each list is ORed, a missing field means any. */
export type Source =
  /** Whoever it is, with or without an identity. */
  | { readonly kind: 'anyone' }
  /**
   * A proven identity. An allow means one of this mesh, unless `principals` or `trustDomains` name those of another trust
   * domain; a deny that names none means every identity.
   */
  | ({ readonly kind: 'identity'; readonly not?: IdentityMatch } & IdentityMatch);

/** Fields are ANDed, each list is ORed, a missing field means any. Namespaces are this mesh's. */
export type IdentityMatch = {
  readonly principals?: readonly Principal[];
  readonly namespaces?: readonly string[];
  readonly trustDomains?: readonly TrustDomain[];
};

export type Principal =
  /** One of this mesh's own trust domains means all its names: see `namesOf`. */
  | { readonly kind: 'id'; readonly id: SpiffeId }
  /** `prod/*` */
  | { readonly kind: 'namespace'; readonly namespace: string }
  /** `*`: any identity of this mesh. */
  | { readonly kind: 'mesh' };

/** What is called. Fields are ANDed, each list is ORed, a missing field means any. */
export type Operation = OperationMatch & { readonly not?: OperationMatch };

export type OperationMatch = {
  readonly methods?: readonly string[];
  readonly paths?: readonly PathPattern[];
  /** Service ports. */
  readonly ports?: readonly number[];
};

export type PathPattern =
  | { readonly kind: 'any' }
  | { readonly kind: 'exact'; readonly path: string }
  /** `/a/*`: `/a` and everything below it; `path` is `/a`. */
  | { readonly kind: 'prefix'; readonly path: string }
  /** `*.png`: `suffix` is `.png`. */
  | { readonly kind: 'suffix'; readonly suffix: string }
  /** `/a/{*}/b/{**}`; `one` is a segment, `rest` any number of them and only last. */
  | { readonly kind: 'template'; readonly segments: readonly PathSegment[] };

export type PathSegment =
  | { readonly kind: 'literal'; readonly text: string }
  | { readonly kind: 'one' }
  | { readonly kind: 'rest' };
