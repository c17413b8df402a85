"""Known answers that AWS published of real ledgers: hashes and addresses, and one whole block.

The block, proof and digest are the example of `aws qldb get-block`, `get-revision` and `get-digest` (aws-cli,
awscli/examples/qldb). The names and numbers in it are AWS's invented ones.
"""

import json

_BLOCK = r"""
{blockAddress:{strandId:"KmA3ZZca7vAIiJAK9S5Iwl",sequenceNo:100},transactionId:"FnQeJBAicTX0Ah32ZnVtSX",
blockTimestamp:2019-09-16T19:37:05.360Z,blockHash:{{NoChM92yKRuJAb/jeLd1VnYn4DHiWIf071ACfic9uHc=}},
entriesHash:{{l05LOsiKV14SDbuaYnH7uwXzUvqzIwUiRLXGbTyj/nY=}},
previousBlockHash:{{7kewBXhpdbClcZKxhVmpoMHpUGOJtWQD0iY2LPfZkYA=}},entriesHashList:[
{{eRSwnmAM7WWANWDd5iGOyK+T4tDXyzUq6HZ/0fgLHos=}},{{mHVex/yjHAWjFPpwhBuH2GKXmKJjK2FBa9faqoUVNtg=}},
{{y5cCBr7pOAIUfsVQ1j0TqtE97b4b4oo1R0vnYyE5wWM=}},{{TvTXygML1bMe6NvEZtGkX+KR+W/EJl4qD1mmV77KZQg=}}],
transactionInfo:{statements:[{statement:"FROM VehicleRegistration AS r \nWHERE r.VIN = '1N4AL11D75C109151'\
\nINSERT INTO r.Owners.SecondaryOwners\n    VALUE { 'PersonId' : 'CMVdR77XP8zAglmmFDGTvt' }",
startTime:2019-09-16T19:37:05.302Z,statementDigest:{{jcgPX2vsOJ0waum4qmDYtn1pCAT9xKNIzA+2k4R+mxA=}}}],
documents:{JUJgkIcNbhS2goq8RqLuZ4:{tableName:"VehicleRegistration",tableId:"BFJKdXgzt9oF4wjMbuxy4G",
statements:[0]}}},revisions:[REVISION]}"""
_REVISION = """\
{blockAddress:{strandId:"KmA3ZZca7vAIiJAK9S5Iwl",sequenceNo:100},
hash:{{mHVex/yjHAWjFPpwhBuH2GKXmKJjK2FBa9faqoUVNtg=}},data:{VIN:"1N4AL11D75C109151",
LicensePlateNumber:"LEWISR261LL",State:"WA",PendingPenaltyTicketAmount:90.25,ValidFromDate:2017-08-21,
ValidToDate:2020-05-11,Owners:{PrimaryOwner:{PersonId:"BFJKdXhnLRT27sXBnojNGW"},
SecondaryOwners:[{PersonId:"CMVdR77XP8zAglmmFDGTvt"}]},City:"Everett"},
metadata:{id:"JUJgkIcNbhS2goq8RqLuZ4",version:3,txTime:2019-09-16T19:37:05.344Z,
txId:"FnQeJBAicTX0Ah32ZnVtSX"}}"""
_UP = """\
{{l3+EXs69K1+rehlqyWLkt+oHDlw4Zi9pCLW/t/mgTPM=}},{{48CXG3ehPqsxCYd34EEa8Fso0ORpWWAO8010RJKf3Do=}},
{{9UnwnKSQT0i3ge1JMVa+tMIqCEDaOPTkWxmyHSn8UPQ=}},{{3nW6Vryghk+7pd6wFCtLufgPM6qXHyTNeCb1sCwcDaI=}},
{{Irb5fNhBrNEQ1VPhzlnGT/ZQPadSmgfdtMYcwkNOxoI=}},{{+3CWpYG/ytf/vq9GidpzSx6JJiLXt1hMQWNnqOy3jfY=}},
{{NPx6cRhwsiy5m9UEWS5JTJrZoUdO2jBOAAOmyZAT+qE=}}]"""
_OUT = """\
[{{eRSwnmAM7WWANWDd5iGOyK+T4tDXyzUq6HZ/0fgLHos=}},{{VV1rdaNuf+yJZVGlmsM6gr2T52QvBO8Lg+KgpjcnWAU=}},
{{7kewBXhpdbClcZKxhVmpoMHpUGOJtWQD0iY2LPfZkYA=}},"""

STRAND, NUMBER, TIP = "KmA3ZZca7vAIiJAK9S5Iwl", 100, 123
REVISION = _REVISION.replace("\n", "")
BLOCK = _BLOCK.replace("\\\n", "").replace("\n", "").replace("REVISION", REVISION)
BLOCK_PROOF, REVISION_PROOF = ("[" + _UP).replace("\n", ""), (_OUT + _UP).replace("\n", "")


def answer(**texts: str) -> bytes:
    """An answer of the API: Ion as text in JSON."""
    return json.dumps({name: {"IonText": text} for name, text in texts.items()}).encode()


DIGEST = json.dumps(
    {
        "Digest": "6m6BMXobbJKpMhahwVthAEsN6awgnHK62Qq5McGP1Gk=",
        "DigestTipAddress": {"IonText": f'{{strandId:"{STRAND}",sequenceNo:{TIP}}}'},
    }
).encode()

# The hashes of another real block, number 3 of its strand (records of a stream in the QLDB samples): the
# list of entries, the hash before and the hashes that follow.
ENTRIES = (
    "LmcGQjLlfScQQxbzaoglEpXpeN9bp7I/QUk690ncEpk=",
    "vJFOcsNRM14gsIBSEnwPhMVgRAWf/4EUW5gPYbtmDv0=",
    "KXJrG8t/KePERHasyztlv4kZPol4Q2buhWmy7iJrsiY=",
    "Lz3XWBwtWyBA/Lhj+UoLhbajPQ8Mk9N4j0HJlrm2OTg=",
)
PREVIOUS = "pV28aszpqJH9LOO9oMsACDmXfdzdEW7HYxzuQVIjSDU="
ENTRIES_HASH = "RNGQGcOKCGLCo5S+hs1eboanNrocIzRiqzzq1s99G/Q="
BLOCK_HASH = "lu425dAWsmvzxuNHTbn4ID4mLo0bWKkjLP2Uel4wrPQ="

# The proof of a revision in block 175 of a journal whose tip was 176 (from an AWS sample that keeps Accord
# contracts in QLDB).
OTHER_NUMBER, OTHER_TIP = 175, 176
OTHER_LEAF = "OJo1hlmyVvRHP60jGkIeG44+TDEI0Wtnf+udRfwKFHg="
OTHER_PROOF = (
    "kAQiHJo6G3r+l7O8nsHxz1x+NxvVV7JbU961OMVMFyM=",
    "poTwYxv3hKFziofD2u+SfvkPRUMXXcYOd4yj82wBhx4=",
    "m43BXjwJ8Kn9NyAGgai2A9S0/YCfAQfUBt6868mTqOY=",
    "m43BXjwJ8Kn9NyAGgai2A9S0/YCfAQfUBt6868mTqOY=",
    "d2vl/alHEi/4DDiQpSpCXWu9mFDUZyEqvlfGLDAG0dw=",
    "b6YqEUv7MMI3cF3cMF7lgBtikrPAhuF2kwVSUkW8Yh8=",
    "0L7AuMPEGEnmSPEsf5gHj5ryZ47vZZcDh9R9bm7RgvE=",
    "su0Jo/1rIhdHncfm7JRlz3Pv726oPZE4s8R8mvRLC5M=",
    "OBH12ldxb2NkK4M9Jw5JR4JFW5KeRhms9JDAfr4+WMM=",
    "LZgU0jltxUhzCisrM0kxg8FDjIpwCLrVHl0MYDUs9rE=",
)
OTHER_DIGEST = "jx1DMTXVkqdFaLdBHlpqG/13SLPlEKFcPlUrH/pWngE="
