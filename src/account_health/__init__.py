"""How healthy is this account, why, and how sure are we?"""
