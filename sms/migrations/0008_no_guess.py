"""Take a report of an id that we do not know for that of an unknown message only where it can be of no other."""

from importlib import import_module

from django.db import migrations

REPLACE = ("CREATE FUNCTION sms_match_report", "CREATE OR REPLACE FUNCTION sms_match_report")
BEFORE = import_module("sms.migrations.0001_initial").MATCHING.replace(*REPLACE)

# A report names the gateway's id. Where no attempt has that id, it is of a message of that phone that was asked for
# before the report came, within the days for which the gateway tries, and got no answer with an id. Is there just one,
# and unknown still, that is the one; were there two, to guess wrong would forget the other. Not while another to that
# phone is being sent, whose id it may be; one statement sees to both, so that no outcome comes in between.
# A report with the right id and another phone is not the gateway's: it matches nothing. Nor does one whose message is
# somebody else's at the moment: it waits for nobody, and is looked at again (match_reports).
MATCHING = """
CREATE OR REPLACE FUNCTION sms_match_report(report sms_reports) RETURNS uuid LANGUAGE plpgsql AS $$
DECLARE
    target sms_messages;
    next_state CONSTANT text := CASE report.status
        WHEN 'Success' THEN 'delivered' WHEN 'Failed' THEN 'undelivered' WHEN 'Rejected' THEN 'undelivered'
        ELSE 'accepted' END;
    ranks CONSTANT text[] := ARRAY['unknown', 'accepted', 'undelivered', 'delivered'];
    found_id uuid;
    known boolean;
BEGIN
    SELECT a.message_id INTO found_id FROM sms_attempts a
    WHERE a.provider_message_id = report.provider_message_id AND a.provider_message_id <> '' LIMIT 1;
    known := FOUND;
    IF NOT known THEN
        WITH asked AS (
            SELECT m.id FROM sms_messages m WHERE m.phone_number = report.phone_number AND m.state = 'unknown'
            UNION
            SELECT m.id FROM sms_messages m WHERE m.phone_number = report.phone_number AND m.possible_duplicate
        ), unanswered AS (
            SELECT asked.id FROM asked
            WHERE EXISTS (
                SELECT FROM sms_attempts a
                WHERE a.message_id = asked.id AND a.state = 'unknown' AND a.provider_message_id = ''
                    AND a.asked_at BETWEEN report.received_at - interval '3 days' AND report.received_at
            )
        )
        SELECT (array_agg(id))[1] INTO found_id FROM unanswered
        WHERE NOT EXISTS (
            SELECT FROM sms_messages s WHERE s.phone_number = report.phone_number AND s.state = 'sending'
        ) AND NOT EXISTS (
            -- Sent a moment ago, and recorded since we looked.
            SELECT FROM sms_attempts a
            WHERE a.provider_message_id = report.provider_message_id AND a.provider_message_id <> ''
        )
        HAVING count(*) = 1;
    END IF;
    -- What was found may have changed since: from here on it is ours.
    SELECT * INTO target FROM sms_messages
    WHERE id = found_id AND phone_number = report.phone_number AND (known OR state = 'unknown')
    FOR NO KEY UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    UPDATE sms_reports SET message_id = target.id WHERE id = report.id AND message_id IS NULL;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    IF NOT known THEN
        UPDATE sms_attempts SET provider_message_id = report.provider_message_id
        WHERE message_id = target.id AND number = target.attempts;
    END IF;
    IF array_position(ranks, next_state) > array_position(ranks, target.state::text) THEN
        UPDATE sms_messages
        SET state = next_state,
            due_at = NULL,
            provider_message_id = report.provider_message_id,
            failure_reason = CASE WHEN next_state = 'undelivered' THEN report.failure_reason ELSE '' END,
            updated_at = clock_timestamp()
        WHERE id = target.id;
    END IF;
    RETURN target.id;
END
$$;
"""


class Migration(migrations.Migration):
    dependencies = [("sms", "0007_doubled_phones")]

    operations = [migrations.RunSQL(MATCHING, BEFORE)]
