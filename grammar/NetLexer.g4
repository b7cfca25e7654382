// Tokens of the `.net` language. Characters are the bytes of a UTF-8 text: what is not ASCII may
// stand in strings and comments only, so a byte above 0x7F needs no decoding here.
//
// Longest match wins, then the earlier rule: hence the order SIZE, FLOAT, INT, QUANTITY, BAD_NUMBER,
// where BAD_NUMBER swallows `3x` and `15dge` whole. Everything that is wrong is a token too
// (BAD_...); the token filter (compiler/parse/token_filter.h) reports it and repairs the stream.
lexer grammar NetLexer;

// Words by their place, given by the token filter: a LABEL stands before `:` at a statement's head,
// a KEY before `=` there, an ARG_NAME before `=` in the parentheses of a call.
tokens { LABEL, KEY, ARG_NAME }

IMPORT: 'import';
LET: 'let';
BLOCK: 'block';
NETWORK: 'network';
DATASET: 'dataset';
RECIPE: 'recipe';
TRAIN: 'train';
ENSEMBLE: 'ensemble';
NAMES: 'names';
ON: 'on';
USE: 'use';
AS: 'as';
WITH: 'with';
FOR: 'for';
IN: 'in';
REPEAT: 'repeat';
IF: 'if';
THEN: 'then';
ELSE: 'else';
AND: 'and';
OR: 'or';
NOT: 'not';
TRUE: 'true';
FALSE: 'false';
RESIDUAL: 'residual';
SHORTCUT: 'shortcut';
INCEPTION: 'inception';
BRANCH: 'branch';
AUX_HEAD: 'aux_head';
INPUT: 'input';
OUTPUT: 'output';
PARAM: 'param';
REQUIRE: 'require';
SHARE: 'share';

SIZE: DIGITS 'x' DIGITS;
FLOAT: DIGITS '.' DIGITS EXPONENT? | DIGITS EXPONENT;
INT: DIGITS;
QUANTITY: DIGITS ('.' DIGITS)? UNIT;
BAD_NUMBER: [0-9] [0-9A-Za-z_]* ('.' [0-9A-Za-z_]+)* '%'? | '.' [0-9] [0-9A-Za-z_]*;
ID: [A-Za-z_] [A-Za-z0-9_]*;

STRING: '"' STRING_PART* '"';
BAD_STRING: '"' STRING_PART* '\\'?;
BAD_QUOTE: '\'' ~['\r\n]* '\''?;

ARROW: '->';
DOTDOT: '..';
POW: '**';
EQEQ: '==';
NE: '!=';
LE: '<=';
GE: '>=';
LT: '<';
GT: '>';
ASSIGN: '=';
PLUS: '+';
MINUS: '-';
STAR: '*';
SLASH: '/';
DOT: '.';
COMMA: ',';
COLON: ':';
SEMI: ';';
LPAREN: '(';
RPAREN: ')';
LBRACK: '[';
RBRACK: ']';
LBRACE: '{';
RBRACE: '}';

NL: '\r'? '\n' | '\r';
DOC: '///' ~[\r\n]*;
COMMENT: '//' ~[\r\n]* -> skip;
SPACE: [ \t\f]+ -> skip;

BAD_COMMENT: '/*' .*? ('*/' | EOF) | '#' ~[\r\n]*;
BAD_OPERATOR: '&&' | '||' | '!' | '=>' | '|>' | ':=' | '+=' | '-=' | '*=' | '/=' | '++' | '//=' | '%' | '^' | '<-';
BAD_CHAR: [\u0080-\u00FF]+ | .;

fragment DIGITS: [0-9]+ ('_' [0-9]+)*;
fragment EXPONENT: [eE] [+-]? [0-9]+;
fragment UNIT: '%' | 'deg' | 'epoch' 's'? | 'step' 's'? | [KMGT] 'iB' | 'B' | 'ms' | 's' | 'min' | 'h';
fragment STRING_PART: ~["\\\r\n] | '\\' ~[\r\n];
