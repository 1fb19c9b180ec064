import type { Mesh } from '../model/mesh.ts';

/**
 * Whether a mesh trusts another trust domain by an older bundle than the one that is served, by their sequence numbers: roots
 * that its owner withdrew since would be trusted again.
 * https://github.com/spiffe/spiffe/blob/main/standards/SPIFFE_Trust_Domain_and_Bundle.md#411-sequence-number
 */
export const refuseOlderBundle = (
  next: Mesh,
  served: Mesh,
): { readonly message: string; readonly again: false } | undefined => {
  for (const { trustDomain, file, sequence } of next.trust) {
    const known = served.trust.find((one) => one.trustDomain === trustDomain)?.sequence;
    if (sequence !== undefined && known !== undefined && sequence < known)
      return {
        message: `${file} is an older bundle of ${trustDomain} (spiffe_sequence ${sequence}) than the one in force (${known}): get the newest one of its owner, or take spiffe_sequence out of the file if it counts anew`,
        again: false,
      };
  }
  return undefined;
};
