/** The web, for an example that runs without a network: a few pages. A real one is `brave()`, `tavily()` or `searxng()` in place of `localIndex(PAGES)`. */
import { localIndex } from 'rondo/gateway';

const PAGES = [
  {
    title: 'A kettle that whistles in tune',
    url: 'https://news.example/kettles',
    text: 'News about kettles: a new kettle whistles a chord when the water boils. Shops have it from May on.',
    publishedDate: '2026-11-20',
  },
  {
    title: 'Green tea harvest begins early',
    url: 'https://news.example/tea',
    text: 'News about tea: the harvest began two weeks early this year, and prices are stable.',
    publishedDate: '2026-11-12',
  },
  {
    title: 'Parcels arrive by tram in Lyon',
    url: 'https://news.example/parcels',
    text: 'A carrier brings parcels by tram at night. Deliveries in the city are faster by a day.',
    publishedDate: '2026-10-30',
  },
];

export const web = localIndex(PAGES);
