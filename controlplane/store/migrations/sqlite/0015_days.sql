-- An index for each way in which people search. (MariaDB keeps a part of the table for each day; here old days are deleted in batches.)
CREATE INDEX cdrs_calling ON cdrs (calling, started, id, attempt);
CREATE INDEX cdrs_called ON cdrs (called_routed, started, id, attempt);
CREATE INDEX cdrs_originator ON cdrs (originator, started, id);
CREATE INDEX cdrs_terminator ON cdrs (terminator, started, id);
CREATE INDEX cdrs_ingress_trunk ON cdrs (ingress_trunk, started, id);
CREATE INDEX cdrs_egress_trunk ON cdrs (egress_trunk, started, id);
CREATE INDEX cdrs_ingress_call_id ON cdrs (ingress_call_id);
CREATE INDEX cdrs_egress_call_id ON cdrs (egress_call_id);
