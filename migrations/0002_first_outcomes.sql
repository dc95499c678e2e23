-- Of several outcomes of one intent the first counts; before, the last one did. Where there are such, all rows are
-- dropped, to be filled again from the journal.

DELETE FROM word WHERE EXISTS (SELECT 1 FROM record WHERE stage = 'outcome' GROUP BY intent HAVING count(*) > 1);
DELETE FROM change WHERE EXISTS (SELECT 1 FROM record WHERE stage = 'outcome' GROUP BY intent HAVING count(*) > 1);
DELETE FROM progress WHERE EXISTS (SELECT 1 FROM record WHERE stage = 'outcome' GROUP BY intent HAVING count(*) > 1);
DELETE FROM record WHERE EXISTS (SELECT 1 FROM record WHERE stage = 'outcome' GROUP BY intent HAVING count(*) > 1);
