/** What a page of CDRs says of itself. */
import type { Schemas } from '../../api/http';

/** Who found the rows; nothing where there is no search engine. */
export function foundBy({ answered_by, passed }: Pick<Schemas['CdrPage'], 'answered_by' | 'passed'>) {
  if (answered_by === 'search_engine') return 'Found by the search engine.';
  return passed ? `Found by the database, not by the search engine: ${passed}.` : '';
}
