-- Metric values that somebody else computed: the newest of each metric and provider, as of the asked instant.
SELECT account_id, metric, provider, value, as_of, delivery
FROM metric_value WHERE as_of <= $as_of
QUALIFY row_number() OVER (PARTITION BY account_id, metric, provider ORDER BY as_of DESC, value, delivery) = 1
ORDER BY account_id, metric, provider
