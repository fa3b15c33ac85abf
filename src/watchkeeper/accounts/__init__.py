"""Who is who: households, the people and devices in them, sign-in, and the household's PIN.

A *sign-in* is one successful password and the family of refresh tokens that follows from it;
*elevation* is the 15 minutes after that sign-in gave the PIN; a *pairing* binds a device to one
child until it is revoked or replaced. Directory tables find people by what they know (an e-mail
address, a token, a code); everything else belongs to one household.
"""
