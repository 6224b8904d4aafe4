// What `npm run verify` runs: both examples, one after the other.
await import('./function.ts');
await import('./http-service.ts');

export {};
