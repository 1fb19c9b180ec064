import type { Instant } from '../../lib/time.ts';
import type { Mtls } from '../../model/mesh.ts';

/** The mode in force at a moment: permissive is strict from its `until` on (contract: `then: strict`). */
export const mtlsAt = (mtls: Mtls, now: Instant): 'strict' | 'permissive' | 'disable' =>
  mtls.mode === 'permissive' && now >= mtls.until ? 'strict' : mtls.mode;
