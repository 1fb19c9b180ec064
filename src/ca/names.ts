import type { TrustDomain } from '../spiffe/spiffeId.ts';

/** What an authority is called. Its certificates name the trust domain of the time when they were made. */
export type Named = {
  /** Where leaves are issued now. */
  readonly trustDomain: TrustDomain;
  /** What it was called before: CAs that are still in use may say so. */
  readonly formerly: readonly TrustDomain[];
};

/** Every name that a CA of it may carry. */
export const allNames = ({ trustDomain, formerly }: Named): readonly TrustDomain[] => [trustDomain, ...formerly];

/** The same under another name, the old one kept in mind. */
export const renamed = <S extends Named>(state: S, trustDomain: TrustDomain): S => {
  if (state.trustDomain === trustDomain) return state;
  return { ...state, trustDomain, formerly: allNames(state).filter((name) => name !== trustDomain) };
};
