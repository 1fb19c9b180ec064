import type { Refusal, RefusalCode } from './events.ts';
import { type Fault, STATUS, type StatusCode } from './grpc/status.ts';

const CODES: Readonly<Record<RefusalCode, StatusCode>> = {
  unauthenticated: STATUS.UNAUTHENTICATED,
  permission_denied: STATUS.PERMISSION_DENIED,
  unavailable: STATUS.UNAVAILABLE,
  resource_exhausted: STATUS.RESOURCE_EXHAUSTED,
  invalid_argument: STATUS.INVALID_ARGUMENT,
  unimplemented: STATUS.UNIMPLEMENTED,
  internal: STATUS.INTERNAL,
};

/** A refusal as the status of a call. */
export const codeOf = (refusal: Refusal): StatusCode => CODES[refusal.code];

/** What a message that could not be read is refused with. */
export const refusalOf = ({ code, message }: Fault): Refusal => ({
  code: code === STATUS.RESOURCE_EXHAUSTED ? 'resource_exhausted' : 'internal',
  message,
});
