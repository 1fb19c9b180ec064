import type { Check } from './check.ts';
import { endpoints } from './endpoints.ts';
import { meshSettings } from './meshSettings.ts';
import { mtlsDeadlines } from './mtlsDeadlines.ts';
import { names } from './names.ts';
import { ports } from './ports.ts';
import { ruleCallers } from './ruleCallers.ts';
import { ruleCalls } from './ruleCalls.ts';
import { ruleLifetimes } from './ruleLifetimes.ts';
import { rulePorts } from './rulePorts.ts';
import { services } from './services.ts';
import { signer } from './signer.ts';
import { trust } from './trust.ts';
import { uses } from './uses.ts';

/** Every check; their order is of no consequence, for findings are sorted by place. */
export const CHECKS: readonly Check[] = [
  meshSettings,
  signer,
  trust,
  names,
  services,
  mtlsDeadlines,
  ports,
  endpoints,
  uses,
  ruleCallers,
  ruleCalls,
  rulePorts,
  ruleLifetimes,
];
