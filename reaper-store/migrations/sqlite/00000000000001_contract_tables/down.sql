-- The tables of the contract are the owner's: they stay, with all that is in them.
SELECT 1;
