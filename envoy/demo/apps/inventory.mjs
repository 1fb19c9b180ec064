import { call, serve } from './http.mjs';

serve('inventory', 18013, {
  // Stock has no business with charging anybody; payments does not let it.
  'GET /restock': async () => {
    const payments = await call('POST', 'http://payments/charge');
    return { status: payments.status, payments };
  },
});
