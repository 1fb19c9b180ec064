import { type Mesh, ownDomains } from '../model/mesh.ts';
import type { TrustBundle, TrustBundles } from '../spiffe/svid.ts';

const made = new WeakMap<Mesh, { readonly roots: TrustBundle; readonly trust: TrustBundles }>();

/** Whose certificates sidecars believe. The same object while the mesh and its roots are, so that it is encoded once. */
export const trustBundles = (mesh: Mesh, roots: TrustBundle): TrustBundles => {
  const known = made.get(mesh);
  if (known?.roots === roots) return known.trust;
  const { authorities } = roots;
  const trust: TrustBundles = Object.freeze({
    // An alias is this mesh by another name: the same roots speak for it.
    own: ownDomains(mesh).map((trustDomain) => ({ trustDomain, authorities })),
    foreign: mesh.trust,
  });
  made.set(mesh, { roots, trust });
  return trust;
};
