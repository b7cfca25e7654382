// The `.net` language, after the token filter: an NL ends every statement and declaration (also
// before `}` and the end of the file), none stands anywhere else; there are no trailing commas.
//
// Each decision but `else if` looks at one token only. That keeps errors where they are made,
// parsing fast from the first line, and ambiguity impossible (tests/parse listens for reports).
// `topLine`, `line`, `entryLine` and `namesLine` are where the error strategy recovers.
parser grammar NetParser;

options { tokenVocab = NetLexer; }

file: topLine* EOF;
topLine: declaration NL;

declaration
    : importDecl
    | letStmt
    | blockDecl
    | networkDecl
    | datasetDecl
    | recipeDecl
    | trainDecl
    | ensembleDecl
    | namesDecl
    ;

importDecl: IMPORT (modulePath | STRING) LBRACE importName (COMMA importName)* NL RBRACE;
modulePath: ID (DOT ID)*;
importName: name (AS name)?;

blockDecl: BLOCK name params? body;
networkDecl: NETWORK name params? body;
params: LPAREN (parameter (COMMA parameter)*)? RPAREN;
parameter: name COLON type (ASSIGN expr)?;
type: ID | LBRACK type RBRACK | BLOCK params;

datasetDecl: DATASET name configBody;
recipeDecl: RECIPE name configBody;
trainDecl: TRAIN name ASSIGN expr ON name configBody;
ensembleDecl: ENSEMBLE name configBody;
configBody: LBRACE entryLine* RBRACE;
entryLine: (entry | USE name) NL;
entry: KEY ASSIGN expr;

namesDecl: NAMES name namesBody;
namesBody: LBRACE namesLine* RBRACE;
namesLine: (STRING ASSIGN STRING | entry) NL;

// Statements.
body: LBRACE line* RBRACE;
line: statement NL;

statement
    : letStmt
    | paramStmt
    | inputStmt
    | outputStmt
    | requireStmt
    | shareStmt
    | ifStmt
    | auxHead
    | branch
    | forStmt
    | repeatStmt
    | chain
    | labelled
    ;

labelled: LABEL COLON (forStmt | repeatStmt | chain);

letStmt: LET name ASSIGN expr;
paramStmt: PARAM name COLON list (ASSIGN expr)?;
inputStmt: INPUT name COLON ID? list;
outputStmt: OUTPUT name (ASSIGN chain)?;
requireStmt: REQUIRE expr (COMMA STRING)?;
shareStmt: SHARE name ASSIGN callLink;
ifStmt: IF expr body (ELSE IF expr body)* (ELSE body)?;
forStmt: FOR name (COMMA name)? IN expr body;
repeatStmt: REPEAT expr body;
auxHead: AUX_HEAD name callArgs? body;
branch: BRANCH (LABEL COLON)? body;

chain: link (ARROW (LABEL COLON)? link)*;
link: (callLink | list | residual | inception) (AS name)?;
callLink: ID trailer*;
residual: RESIDUAL callArgs? body (SHORTCUT body)?;
inception: INCEPTION callArgs? body;

// Expressions, from the loosest operator to the tightest.
expr: IF expr THEN expr ELSE expr | disjunction;
disjunction: conjunction (OR conjunction)*;
conjunction: inversion (AND inversion)*;
inversion: NOT inversion | comparison;
comparison: range ((EQEQ | NE | LT | LE | GT | GE) range)*;
range: sum (DOTDOT sum)?;
sum: product ((PLUS | MINUS) product)*;
product: unary ((STAR | SLASH) unary)*;
unary: MINUS unary | power;
power: postfix (POW unary)?;
postfix: atom trailer*;
trailer: DOT ID | callArgs | LBRACK expr RBRACK | WITH callArgs;
atom: INT | FLOAT | QUANTITY | SIZE | STRING | TRUE | FALSE | ID | list | LPAREN expr RPAREN;
list: LBRACK (expr (COMMA expr)*)? RBRACK;
callArgs: LPAREN (arg (COMMA arg)*)? RPAREN;
arg: (ARG_NAME ASSIGN)? expr;
name: ID;
