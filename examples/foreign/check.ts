// What `npm run verify` runs: the examples, one after the other.
await import('./function.ts');
await import('./http-service.ts');
await import('./served.ts');

export {};
