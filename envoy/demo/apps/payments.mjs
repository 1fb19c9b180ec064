import { serve } from './http.mjs';

let receipt = 0;

serve('payments', 18012, {
  'POST /charge': () => ({ receipt: ++receipt }),
  'GET /receipts': () => ({ receipts: receipt }),
});
