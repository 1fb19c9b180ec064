import { err, type Result } from '../lib/result.ts';
import { type Fault, STATUS } from './grpc/status.ts';

/** What one request is answered with: in one part or several, or, after any number of them, a fault. */
export type Answer = AsyncIterable<Result<Buffer, Fault>>;

/** One part, or that the request was none. */
export const once = async function* (read: Result<Buffer, string>): Answer {
  yield read.ok ? read : invalid(read.error);
};

export const invalid = (message: string): Result<never, Fault> => err({ code: STATUS.INVALID_ARGUMENT, message });
