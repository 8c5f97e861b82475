-- Commercial: one row per account, from the contract, invoices, subscriptions and deals.
WITH source AS (
    SELECT account_id,
        max(state) FILTER ("table" = 'account') = 'observed' AS account_readable,
        max(state) FILTER ("table" = 'invoice') IN ('observed', 'empty') AS invoice_readable,
        max(observed_from) FILTER ("table" = 'invoice') AS invoice_from,
        max(state) FILTER ("table" = 'subscription') = 'observed' AS subscription_readable,
        max(observed_from) FILTER ("table" = 'subscription') AS subscription_from,
        max(state) FILTER ("table" = 'opportunity') IN ('observed', 'empty') AS opportunity_readable,
        max(observed_from) FILTER ("table" = 'opportunity') AS opportunity_from
    FROM account_source WHERE "table" IN ('account', 'invoice', 'subscription', 'opportunity') GROUP BY account_id
),
billed AS (
    SELECT account_id,
        count(*) FILTER (is_overdue) AS overdue,
        list(invoice_id ORDER BY due_day, invoice_id) FILTER (is_overdue) AS overdue_ids,
        min(due_day) FILTER (is_overdue) AS oldest_due,
        count(*) FILTER (last_failed_at >= $quarter_start) AS failed,
        list(invoice_id ORDER BY last_failed_at DESC, invoice_id) FILTER (last_failed_at >= $quarter_start) AS failed_ids,
        count(*) FILTER (is_unpaid AND last_failed_at IS NOT NULL) AS unrecovered,
        list(invoice_id ORDER BY last_failed_at DESC, invoice_id) FILTER (is_unpaid AND last_failed_at IS NOT NULL) AS unrecovered_ids,
        max(last_failed_at) FILTER (is_unpaid) AS unrecovered_last
    FROM (
        SELECT account_id, invoice_id, local_day(due_at, $time_zone) AS due_day,
            CASE WHEN last_failed_at < $as_of THEN last_failed_at END AS last_failed_at,
            CASE WHEN paid_at IS NULL THEN coalesce(status, 'open') NOT IN ('paid', 'void', 'draft') ELSE paid_at >= $as_of END AS is_unpaid,
            is_unpaid AND coalesce(local_day(due_at, $time_zone) < $today, false) AS is_overdue
        FROM invoice WHERE issued_at < $as_of
    ) GROUP BY account_id
),
contracted AS (
    SELECT account_id,
        sum(arr) FILTER (runs_now) AS arr_now,
        sum(arr) FILTER (ran_then) AS arr_then,
        count(DISTINCT currency) FILTER (runs_now OR ran_then) AS currencies,
        bool_or(arr IS NULL) FILTER (runs_now OR ran_then) AS arr_missing,
        bool_or(arr IS NULL OR arr > 0) FILTER (ran_then) AS had_base,
        (list(renews_at ORDER BY abs(date_diff('day', $today, renews_at)), renews_at) FILTER (runs_now))[1] AS renews_at
    FROM (
        SELECT account_id, arr, currency, renews_at,
            started_at < $as_of AND (ended_at IS NULL OR ended_at >= $as_of) AS runs_now,
            started_at < $year_start AND (ended_at IS NULL OR ended_at >= $year_start) AS ran_then
        FROM subscription
    ) GROUP BY account_id
),
dealt AS (
    SELECT account_id,
        count(*) FILTER (kind = 'expansion' AND stage_kind = 'won' AND close_date > $year_day AND close_date <= $today) AS expansions,
        list(opportunity_id ORDER BY close_date DESC, opportunity_id)
            FILTER (kind = 'expansion' AND stage_kind = 'won' AND close_date > $year_day AND close_date <= $today) AS expansion_ids,
        count(*) FILTER (kind = 'downgrade' AND is_open) AS downgrades,
        list(opportunity_id ORDER BY opportunity_id) FILTER (kind = 'downgrade' AND is_open) AS downgrade_ids
    FROM (
        SELECT account_id, opportunity_id, kind, stage_kind, close_date,
            stage_kind = 'open' OR coalesce(close_date > $today, false) AS is_open
        FROM opportunity WHERE created_at IS NULL OR created_at < $as_of
    ) GROUP BY account_id
),
facts AS (
    SELECT a.account_id, a.contract_status, b.* EXCLUDE (account_id), c.arr_now, c.arr_then, d.expansion_ids, d.downgrade_ids,
        s.account_readable,
        coalesce(s.invoice_readable AND local_day(s.invoice_from, $time_zone) <= $today, false) AS invoice_readable,
        s.invoice_readable AND s.invoice_from <= $quarter_start AS invoice_quarter_seen,
        s.subscription_readable AND s.subscription_from <= $year_start AS subscription_year_seen,
        CASE WHEN s.account_readable AND a.renewal_date IS NOT NULL THEN a.renewal_date
            WHEN s.subscription_readable THEN c.renews_at END AS renewal_date,
        s.opportunity_readable AND local_day(s.opportunity_from, $time_zone) <= $today AS opportunity_readable,
        s.opportunity_readable AND s.opportunity_from <= $year_start AS opportunity_year_seen,
        coalesce(s.invoice_readable AND a.customer_since > $quarter_day
            AND a.customer_since >= local_day(s.invoice_from, $time_zone), false) AS new_and_billing_watched,
        coalesce(s.opportunity_readable AND a.customer_since > $year_day
            AND a.customer_since >= local_day(s.opportunity_from, $time_zone), false) AS new_and_deals_watched,
        coalesce(a.customer_since > $year_day, false) AS new_this_year,
        c.currencies <= 1 AND NOT c.arr_missing AS arr_comparable, coalesce(c.had_base, false) AS had_base,
        coalesce(d.expansions, 0) AS expansions, coalesce(d.downgrades, 0) AS downgrades
    FROM account a
    LEFT JOIN source s ON s.account_id = a.account_id
    LEFT JOIN billed b ON b.account_id = a.account_id
    LEFT JOIN contracted c ON c.account_id = a.account_id
    LEFT JOIN dealt d ON d.account_id = a.account_id
)
SELECT account_id,
    CASE WHEN account_readable THEN list_position($contract_levels, contract_status) - 1 END AS contract_standing,
    CASE WHEN invoice_readable THEN coalesce(overdue, 0) END AS overdue_invoices,
    coalesce(overdue, 0) AS overdue_invoices_seen,
    overdue_ids AS overdue_invoices_ids,
    CASE WHEN invoice_readable THEN coalesce(date_diff('day', oldest_due, $today), 0) END AS days_overdue,
    coalesce(date_diff('day', oldest_due, $today), 0) AS days_overdue_seen,
    CASE WHEN invoice_quarter_seen THEN coalesce(failed, 0) END AS failed_payments_90d,
    new_and_billing_watched AND coalesce(failed, 0) = 0 AS failed_payments_90d_na,
    coalesce(failed, 0) AS failed_payments_90d_seen,
    failed_ids AS failed_payments_90d_ids,
    CASE WHEN subscription_year_seen AND arr_comparable THEN 100.0 * (coalesce(arr_now, 0) - arr_then) / nullif(arr_then, 0) END AS arr_change_pct_12m,
    new_this_year OR (subscription_year_seen AND NOT had_base) AS arr_change_pct_12m_na,
    CASE WHEN opportunity_year_seen THEN expansions END AS expansions_12m,
    new_and_deals_watched AND expansions = 0 AS expansions_12m_na,
    expansion_ids AS expansions_12m_ids,
    CASE WHEN opportunity_readable THEN downgrades END AS open_downgrade,
    downgrades AS open_downgrade_seen,
    downgrade_ids AS open_downgrade_ids,
    date_diff('day', $today, renewal_date) AS days_to_renewal,
    renewal_date::TIMESTAMP AS days_to_renewal_on,
    CASE WHEN invoice_readable THEN coalesce(unrecovered, 0) END AS unrecovered_payments,
    coalesce(unrecovered, 0) AS unrecovered_payments_seen,
    unrecovered_ids AS unrecovered_payments_ids,
    unrecovered_last AS unrecovered_payments_on
FROM facts
